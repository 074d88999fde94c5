"""PTX of two kernels: what is missing becomes its negative, everything else is copied.

From this source, by nvcc 13.0 -arch=compute_75 -ptx; ``tests/runtime/fake_driver`` has it in C++:

    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= count) return;
    result[at] = hole[at / (3 * plane) * plane + at % plane] > 0.5f ? -image[at] : image[at];
    result[at] = hole[at / 3] != 0 ? 255 - image[at] : image[at];
"""

from typing import Final

_HEAD: Final = """.visible .entry {name}(
.param .u64 {name}_0, .param .u64 {name}_1, .param .u64 {name}_2,
.param .u32 {name}_3, .param .u32 {name}_4)
{{
.reg .pred %p<3>; .reg .b16 %rs<2>; .reg .f32 %f<5>; .reg .b32 %r<12>; .reg .b64 %rd<12>;
ld.param.u64 %rd1, [{name}_0];
ld.param.u64 %rd2, [{name}_1];
ld.param.u64 %rd3, [{name}_2];
ld.param.u32 %r3, [{name}_3];
ld.param.u32 %r2, [{name}_4];
mov.u32 %r4, %ctaid.x;
mov.u32 %r5, %ntid.x;
mov.u32 %r6, %tid.x;
mad.lo.s32 %r1, %r4, %r5, %r6;
setp.ge.s32 %p1, %r1, %r3;
@%p1 bra $END_{name};
cvta.to.global.u64 %rd4, %rd1;
cvta.to.global.u64 %rd7, %rd2;
cvta.to.global.u64 %rd10, %rd3;
"""

_FLOAT: Final = """mul.lo.s32 %r7, %r2, 3;
div.s32 %r8, %r1, %r7;
rem.s32 %r9, %r1, %r2;
mad.lo.s32 %r10, %r8, %r2, %r9;
mul.wide.s32 %rd5, %r1, 4;
add.s64 %rd6, %rd4, %rd5;
mul.wide.s32 %rd8, %r10, 4;
add.s64 %rd9, %rd7, %rd8;
ld.global.f32 %f1, [%rd9];
setp.gt.f32 %p2, %f1, 0f3F000000;
ld.global.f32 %f2, [%rd6];
neg.f32 %f3, %f2;
selp.f32 %f4, %f3, %f2, %p2;
add.s64 %rd11, %rd10, %rd5;
st.global.f32 [%rd11], %f4;
"""

_BYTES: Final = """cvt.s64.s32 %rd5, %r1;
add.s64 %rd6, %rd4, %rd5;
div.s32 %r8, %r1, 3;
cvt.s64.s32 %rd8, %r8;
add.s64 %rd9, %rd7, %rd8;
ld.global.u8 %rs1, [%rd9];
setp.eq.s16 %p2, %rs1, 0;
ld.global.u8 %r9, [%rd6];
not.b32 %r10, %r9;
selp.b32 %r11, %r9, %r10, %p2;
add.s64 %rd11, %rd10, %rd5;
st.global.u8 [%rd11], %r11;
"""

_TAIL: Final = "$END_{name}:\nret;\n}}\n"

FLOAT: Final = "negative_float"
BYTES: Final = "negative_uint8"


def _entry(name: str, body: str) -> str:
    return _HEAD.format(name=name) + body + _TAIL.format(name=name)


_TARGET: Final = ".version 7.0\n.target sm_75\n.address_size 64\n"
PTX: Final = _TARGET + _entry(FLOAT, _FLOAT) + _entry(BYTES, _BYTES)
