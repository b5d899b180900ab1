"""Reading a compiled module: what is counted as moved through HBM, against sums by hand."""

import pytest

from benchmarks.accelerators.hlo_text import Module, arrays
from lvbert_tf.errors import InputError

TEXT = """HloModule step, is_scheduled=true

%fused_computation (p.0: f32[100,64], p.1: f32[100,64]) -> f32[100,64] {
  %p.0 = f32[100,64]{1,0:T(8,128)} parameter(0)
  %p.1 = f32[100,64]{1,0:T(8,128)} parameter(1)
  ROOT %c = f32[100,64]{1,0:T(8,128)} convolution(%p.0, %p.1), dim_labels=bf_io->bf
}

%fused_computation.1 (p.2: f32[100,64]) -> f32[100,64] {
  %p.2 = f32[100,64]{1,0:T(8,128)} parameter(0)
  ROOT %t = f32[100,64]{0,1:T(8,128)} copy(%p.2)
}

%fused_computation.2 (p.5: s32[], p.6: f32[100,64]) -> f32[4,64] {
  %p.6 = f32[100,64]{1,0:T(8,128)} parameter(1)
  %p.5 = s32[]{:T(128)} parameter(0)
  ROOT %part = f32[4,64]{1,0:T(4,128)} gather(%p.6, %p.5), slice_sizes={1,64}
}

%branch_0 (p.3: f32[100,64]) -> f32[100,64] {
  %p.3 = f32[100,64]{1,0:T(8,128)} parameter(0)
  ROOT %n.1 = f32[100,64]{1,0:T(8,128)} negate(%p.3), metadata={op_name="down"}
}

%branch_1 (p.4: f32[100,64]) -> f32[100,64] {
  ROOT %p.4 = f32[100,64]{1,0:T(8,128)} parameter(0)
}

ENTRY %main (w: f32[100,64], i: s32[]) -> f32[] {
  %w = f32[100,64]{1,0:T(8,128)} parameter(0), metadata={op_name="XLA_Args"}
  %i = s32[]{:T(128)} parameter(1)
  %one = s32[]{:T(128)} constant(1)
  %start = (f32[100,64]{1,0:T(8,128)S(1)}, f32[100,64]{1,0:T(8,128)}, u32[]{:S(2)}) copy-start(%w)
  %j = s32[]{:T(128)} add(%i, %one), metadata={op_type="Add" op_name="path/add"}
  %done = f32[100,64]{1,0:T(8,128)S(1)} copy-done(%start)
  %two = (f32[]{:T(128)}, f32[100,64]{1,0:T(8,128)S(1)}) fusion(%done, /*index=1*/%w), kind=kOutput, \
calls=%fused_computation, metadata={op_name="dense/MatMul"}, backend_config={"estimated_cycles":"700"}
  %x = f32[100,64]{1,0:T(8,128)S(1)} get-tuple-element(%two), index=1
  %turned = f32[100,64]{0,1:T(8,128)} fusion(%x), kind=kLoop, calls=%fused_computation.1
  %rows = f32[4,64]{1,0:T(4,128)} dynamic-slice(%turned, %i, %one), dynamic_slice_sizes={4,64}
  %looked_up = f32[4,64]{1,0:T(4,128)} fusion(%i, %w), kind=kCustom, calls=%fused_computation.2
  %either = f32[100,64]{1,0:T(8,128)} conditional(%i, %w, %w), branch_computations={%branch_0, %branch_1}
  ROOT %r = f32[]{:T(128)} get-tuple-element(%two), index=0
}
"""
WHOLE = 104 * 128 * 4  # bytes of f32[100,64]{1,0:T(8,128)}
TURNED = 64 * 128 * 4  # of {0,1}: 100 is the last dimension in memory


@pytest.fixture(scope="module")
def executed():
    return {each.name: each for each in Module(TEXT).executed()}


@pytest.mark.parametrize(
    ("shape", "plain", "padded"),
    [
        ("f32[100,64]{1,0:T(8,128)}", 25600, WHOLE),
        ("f32[100,64]{0,1:T(8,128)}", 25600, TURNED),
        ("bf16[3,100,64]{2,1,0:T(8,128)(2,1)}", 38400, 3 * 104 * 128 * 2),
        ("pred[5]{0:T(1024)}", 5, 1024),
        ("f32[]{:T(128)}", 4, 4),
        ("s32[7]", 28, 28),
    ],
)
def test_tiles_pad_the_last_dimensions_in_memory(shape, plain, padded):
    (array,) = arrays(shape)
    assert (array.bytes, array.padded_bytes, array.in_hbm) == (plain, padded, True)


def test_tuples_have_the_arrays_of_all_their_parts():
    first, second, flag = arrays("((f32[8]{0:T(1024)}), f32[4]{0:T(1024)S(1)}, s32[]{:S(2)})")
    assert [each.dimensions for each in (first, second, flag)] == [(8,), (4,), ()]
    assert [each.in_hbm for each in (first, second, flag)] == [True, False, False]


def test_what_is_counted_as_moved(executed):
    assert {name: each.hbm_bytes for name, each in executed.items()} == {
        "start": 0,  # counted where it is done
        "j": 12,
        "done": WHOLE,  # read from HBM, written into the chip
        "two": 4 + WHOLE,  # one scalar result; of the operands only w is in HBM
        "turned": TURNED,
        "rows": 2 * 4 * 128 * 4 + 8,  # the part that is cut out, not what it is cut from
        "looked_up": 2 * 4 * 128 * 4 + 4,  # the rows that are taken
        "n.1": WHOLE,  # read and written in one of two branches
    }
    assert executed["two"].cycles == 700


def test_kinds_and_operations(executed):
    assert executed["two"].kind == "fusion with a matrix product"
    assert executed["turned"].kind == "fusion that moves data"
    assert executed["j"].is_scalar and not executed["two"].is_scalar
    names = ("done", "two", "turned", "n.1")
    assert [executed[name].operation for name in names] == [
        *("XLA_Args", "dense/MatMul", "dense/MatMul", "down")
    ]


def test_instructions_of_the_entry_computation():
    names = [each.name for each in Module(TEXT).instructions_that_work()]
    assert names == ["start", "j", "done", "two", "turned", "rows", "looked_up", "either"]


LOOP = """
%condition (state: (s32[], f32[8,64])) -> pred[] {
  %state = (s32[]{:T(128)}, f32[8,64]{1,0:T(8,128)}) parameter(0)
  %limit = s32[]{:T(128)} constant(9)
  %index = s32[]{:T(128)} get-tuple-element(%state), index=0
  ROOT %more = pred[]{:T(512)} compare(%index, %limit), direction=LT
}

%body (state.1: (s32[], f32[8,64])) -> (s32[], f32[8,64]) {
  %state.1 = (s32[]{:T(128)}, f32[8,64]{1,0:T(8,128)}) parameter(0)
  %index.1 = s32[]{:T(128)} get-tuple-element(%state.1), index=0
  %x = f32[8,64]{1,0:T(8,128)} get-tuple-element(%state.1), index=1
  %kernel = f32[64,64]{1,0:T(8,128)S(1)} constant({...})
  %product = f32[8,64]{1,0:T(8,128)} convolution(%x, %kernel), dim_labels=bf_io->bf
  ROOT %next = (s32[]{:T(128)}, f32[8,64]{1,0:T(8,128)}) tuple(%index.1, %product)
}

ENTRY %main (start: (s32[], f32[8,64])) -> (s32[], f32[8,64]) {
  %start = (s32[]{:T(128)}, f32[8,64]{1,0:T(8,128)}) parameter(0)
  ROOT %loop = (s32[], f32[8,64]) while(%start), condition=%condition, body=%body
}
"""


def test_the_body_of_a_loop_counts_as_often_as_it_runs():
    module = Module(LOOP)
    (product,) = module.executed()
    assert product.hbm_bytes == 9 * 2 * 8 * 128 * 4
    assert module.flops_of_repetitions() == (9 - 1) * 2 * 8 * 64 * 64


def test_a_loop_of_unknown_length_is_refused():
    endless = LOOP.replace("direction=LT", "direction=NE")
    with pytest.raises(InputError, match="rounds of loop is not a constant"):
        Module(endless).executed()
