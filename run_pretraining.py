"""Pre-trains LV-BERT or ELECTRA on records that build_pretraining_dataset.py wrote."""

from lvbert_tf.programs.pretrain import run

if __name__ == "__main__":
    run()
