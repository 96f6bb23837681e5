// What the thread pool needs and Swift cannot say.
#ifndef APUS_THREADS_H
#define APUS_THREADS_H

/// Tells the core that this thread spins: it saves power and leaves the execution units to the core's other thread.
static inline void apus_spin_hint(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
