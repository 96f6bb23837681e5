// The kernels in plain C that tests alone use: dispatch.c of CKernels finds them where they are linked. They are no part of
// the program, whose build they would lengthen by a tenth.
