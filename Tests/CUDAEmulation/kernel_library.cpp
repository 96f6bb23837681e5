#include "kernel_library.h"

#include <dlfcn.h>

#include <set>

namespace emulation {

namespace {

/// The kernels of the process: opened once, for its life, because launches hold their functions.
struct Kernels {
    const std::map<std::string, Kernel> *kernels = nullptr;
    std::string fault;
    std::set<std::string> found;

    Kernels() {
        const char *path = getenv("APUS_EMULATED_KERNELS");
        if (!path) {
            kernels = &emulation::kernels();
            return;
        }
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        auto open = library ? (KernelLibrary *)dlsym(library, "apus_kernel_library") : nullptr;
        if (!open) {
            fault = dlerror();
            return;
        }
        kernels = open(machine, sizeof *machine);
        if (kernels) fprintf(stderr, "emulation: %zu kernels of %s\n", kernels->size(), path);
        else fault = std::string(path) + ": made for another emulator; make it again";
    }

    /// Whoever runs a library wants to know which of its kernels nothing has called.
    ~Kernels() {
        if (!kernels || kernels == &emulation::kernels()) return;
        for (auto &[name, kernel] : *kernels) {
            if (!found.contains(name)) fprintf(stderr, "emulation: nothing has called %s\n", name.c_str());
        }
    }
};

Kernels &processKernels() {
    static Kernels kernels;
    return kernels;
}

}  // namespace

const char *kernelLibraryFault() { return processKernels().kernels ? nullptr : processKernels().fault.c_str(); }

const Kernel *findKernel(const std::string &name) {
    Kernels &all = processKernels();
    auto kernel = all.kernels->find(name);
    if (kernel == all.kernels->end()) return nullptr;
    all.found.insert(name);
    return &kernel->second;
}

}  // namespace emulation
