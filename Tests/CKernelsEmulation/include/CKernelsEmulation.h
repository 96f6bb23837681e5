// The kernels that tests alone use, most of them in plain C: dispatch.c of CKernels finds them where they are linked. They are
// no part of the program, whose build they would lengthen by a tenth.
