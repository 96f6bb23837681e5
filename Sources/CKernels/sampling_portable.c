#define APUS_LANES 4
#define APUS_FMA 0
#define SAMPLING_TABLE sampling_passes_portable
#include "sampling_passes.h"
