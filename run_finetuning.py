"""Fine-tunes a pre-trained model on tasks: GLUE's, SQuAD's and MRQA's, tagging, or your own."""

from lvbert_tf.programs.finetune import run

if __name__ == "__main__":
    run()
