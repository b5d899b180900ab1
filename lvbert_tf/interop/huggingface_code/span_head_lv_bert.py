"""The question-answering head of LV-BERT in PyTorch."""

import torch
import torch.nn.functional as F
from torch import nn

HIDDEN_SIZE = 512  # whatever the encoder's width
FORBIDDEN = 1000.0  # is subtracted from logits where no answer may start or end


def answer_mask(token_type_ids, attention_mask=None):
    """A mask of where answers may be: the second segment, and [CLS], which means "no answer"."""
    mask = token_type_ids if attention_mask is None else token_type_ids * attention_mask
    return torch.cat([torch.ones_like(mask[:, :1]), mask[:, 1:]], dim=1)


class LVBertSpanHead(nn.Module):
    """Computes the logits of the start and the end of an answer, and the best spans."""

    def __init__(self, config):
        super().__init__()
        width = config.hidden_size
        self.joint, self.beam_size = config.span_joint, config.span_beam_size
        self.no_answer = config.span_no_answer
        self.answerable_weight = config.span_answerable_weight
        self.start_logit = nn.Linear(width, 1)
        self.end_hidden = nn.Linear(2 * width, HIDDEN_SIZE) if self.joint else None
        self.end_logit = nn.Linear(HIDDEN_SIZE if self.joint else width, 1)
        likely = self.no_answer == "likely_starts"
        self.no_answer_hidden = nn.Linear(2 * width, HIDDEN_SIZE) if likely else None
        self.no_answer_logit = None
        if likely or self.no_answer == "first_vector":
            self.no_answer_logit = nn.Linear(HIDDEN_SIZE if likely else width, 1)

    def forward(self, x, mask, start_positions=None):
        """Computes the fields of the model's output from vectors of shape (batch, length, width)."""
        allowed = (mask.to(x.dtype) - 1.0) * FORBIDDEN
        start_logits = self.start_logit(x).squeeze(-1) + allowed
        end_logits = self._ends(x, allowed)
        spans = {"start_logits": start_logits}
        if self.no_answer_logit is not None:
            spans["no_answer_score"] = self._classify(x, start_logits)
        if start_positions is not None:
            first = start_positions.clamp(0, x.shape[1] - 1)
            return spans | {"end_logits": end_logits(first)}
        spans["end_logits"] = end_logits(start_logits.argmax(-1))
        score = (lambda logits: logits.log_softmax(-1)) if self.joint else (lambda logits: logits)
        start_scores = score(start_logits)
        if self.no_answer == "span":
            first = torch.zeros_like(start_logits[:, 0], dtype=torch.long)
            spans["no_answer_score"] = start_scores[:, 0] + score(end_logits(first))[:, 0]
        k = min(self.beam_size, x.shape[1])
        start_scores, starts = start_scores.topk(k)
        ends = [score(end_logits(start)).topk(k) for start in starts.unbind(1)]
        return spans | {
            "starts": starts,
            "start_scores": start_scores,
            "ends": torch.stack([end.indices for end in ends], 1),
            "end_scores": torch.stack([end.values for end in ends], 1),
        }

    def _ends(self, x, allowed):
        """Makes a function from starts, (batch,), to the logits of ends, (batch, length)."""
        if self.end_hidden is None:
            logits = self.end_logit(x).squeeze(-1) + allowed
            return lambda starts: logits
        of_starts, of_ends = self.end_hidden.weight.chunk(2, dim=1)
        from_ends = F.linear(x, of_ends, self.end_hidden.bias)

        def logits_after(starts):
            vectors = x[torch.arange(len(x), device=x.device), starts]
            hidden = F.gelu(from_ends + F.linear(vectors, of_starts)[:, None])
            return self.end_logit(hidden).squeeze(-1) + allowed

        return logits_after

    def _classify(self, x, start_logits):
        vectors = x[:, 0]
        if self.no_answer_hidden is not None:
            likely = torch.einsum("bl,bld->bd", start_logits.softmax(-1), x)
            vectors = F.gelu(self.no_answer_hidden(torch.cat([vectors, likely], -1)))
        return self.no_answer_logit(vectors).squeeze(-1)

    def loss(self, spans, start_positions, end_positions):
        """The mean loss of starts and ends, plus the weighted loss of the classifier if there is one."""
        length = spans["start_logits"].shape[1]  # an answer that was cut off does not count
        pairs = (("start_logits", start_positions), ("end_logits", end_positions))
        loss = sum(
            F.cross_entropy(spans[name], positions.clamp(0, length), ignore_index=length) / 2
            for name, positions in pairs
        )
        if self.no_answer_logit is not None:
            score = spans["no_answer_score"]
            none = (start_positions == 0).to(score.dtype)
            loss += self.answerable_weight * F.binary_cross_entropy_with_logits(score, none)
        return loss
