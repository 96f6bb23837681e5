#include "kernel_library.h"

#include <dlfcn.h>

namespace emulation {

namespace {

struct Opened {
    const std::map<std::string, Kernel> *kernels = nullptr;
    std::string fault;

    Opened() {
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
};

/// Opened once, for the life of the process: launches hold its functions.
const Opened &opened() {
    static const Opened opened;
    return opened;
}

}  // namespace

const char *kernelLibraryFault() { return opened().kernels ? nullptr : opened().fault.c_str(); }

const Kernel *findKernel(const std::string &name) {
    auto found = opened().kernels->find(name);
    return found == opened().kernels->end() ? nullptr : &found->second;
}

}  // namespace emulation
