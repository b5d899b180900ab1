"""A search as its command describes it: what is searched, with which supernet, and where it lives."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from lvbert_tf.io.paths import parse_path
from lvbert_tf.search.settings import (
    SearchSettings,
    split_hparams,
    supernet_config,
    winner_hparams,
)
from lvbert_tf.search.space import SearchSpace
from lvbert_tf.search.study import open_study
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.settings.user_hparams import check_directory_name


@dataclass(frozen=True)
class Experiment:
    """A search.

    Args:
      name: names the directory under searches/.
      settings: of the search.
      config: of pre-training the supernet.
      space: what may be proposed.
      winner_hparams: what the winner is pre-trained with, beside its layers, as the user gave it.
      storage_url: see `open_storage`.
    """

    name: str
    settings: SearchSettings
    config: PretrainingConfig
    space: SearchSpace
    winner_hparams: Mapping[str, Any]
    storage_url: str = ""

    @classmethod
    def create(
        cls, data_dir: str, name: str, user_hparams: Mapping[str, Any], storage_url: str = ""
    ) -> "Experiment":
        """Makes a search from a user's hparams.

        Args:
          data_dir: holds vocab.txt, pretrain_tfrecords/ and searches/.
          name: of the search.
          user_hparams: of the search and of pre-training, in one table.
          storage_url: see `open_storage`.

        Raises:
          InputError: one line naming what is wrong and what is allowed.
        """
        check_directory_name("search name", name)
        settings, pretraining = split_hparams(user_hparams)
        config = supernet_config(data_dir, name, settings, pretraining)
        winner = winner_hparams(pretraining)
        space = settings.space(config.discriminator, config.max_seq_length)
        return cls(name, settings, config, space, winner, storage_url)

    def with_config(self, config: PretrainingConfig) -> "Experiment":
        """The same search with another configuration of pre-training, such as a known vocab_size."""
        space = self.settings.space(config.discriminator, config.max_seq_length)
        return dataclasses.replace(self, config=config, space=space)

    @property
    def directory(self) -> Path:
        """Where everything of the search is."""
        return parse_path(self.config.model_dir).parent

    @property
    def journal(self) -> Path:
        """The log of the search, where it is not in a database."""
        return self.directory / "study.journal"

    @property
    def held_out_path(self) -> Path:
        """The corrupted held-out set."""
        return self.directory / "held_out.npz"

    @property
    def references_path(self) -> Path:
        """The scores of the reference strings."""
        return self.directory / "references.json"

    def open_study(self, evaluator: Mapping[str, Any]) -> optuna.Study:
        """The study of the search; see `study.open_study` for the argument and what is raised."""
        return self._open(self.directory, self.name, self.settings, evaluator)

    @property
    def random_settings(self) -> SearchSettings | None:
        """Random search at equal evaluations; None where the search is one, or none is wanted."""
        if self.settings.sampler == "random" or not self.settings.compare_with_random:
            return None
        return dataclasses.replace(self.settings, sampler="random")

    def open_random_study(
        self, settings: SearchSettings, evaluator: Mapping[str, Any]
    ) -> optuna.Study:
        """The study of `random_settings`; otherwise as `open_study`."""
        return self._open(self.directory / "random", f"{self.name}-random", settings, evaluator)

    def _open(
        self, directory: Path, name: str, settings: SearchSettings, evaluator: Mapping[str, Any]
    ) -> optuna.Study:
        return open_study(
            directory, name, self.space, settings, self.config.seed, evaluator, self.storage_url
        )
