import threading

from lvbert_tf.training.wait_limit import WaitLimit


def test_gives_up_once_the_others_are_silent():
    messages, given_up = [], threading.Event()

    def give_up(message):
        messages.append(message)
        given_up.set()

    with WaitLimit(0.01, "nobody has answered", give_up):
        assert given_up.wait(10)
    assert messages == ["nobody has answered for 0.01 seconds (worker_timeout)"]


def test_every_answer_starts_the_time_again_and_the_end_of_the_context_ends_it():
    given_up = threading.Event()
    with WaitLimit(2, "nobody has answered", lambda message: given_up.set()) as limit:
        for _ in range(4):
            assert not given_up.wait(0.7)
            limit.start_again()
    assert not given_up.wait(2.5)
