"""What a run or a search will take, computed from its configuration before anything is paid for."""
