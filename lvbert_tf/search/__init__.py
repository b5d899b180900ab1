"""The search for a layer string: its space, its samplers, its study and the loop over them."""
