"""Every program with paths in a bucket of an object store that has puts and gets, and nothing else."""

import pytest
from bucket_workflow import check_workflow


@pytest.mark.slow
def test_the_whole_workflow_in_a_bucket(bucket, tmp_path):
    check_workflow(bucket, tmp_path)
