// The files of `apus demo`, inside the program: it has to run from any folder, without a download.
#ifndef CDEMO_H
#define CDEMO_H

#include <stddef.h>
#include <stdint.h>

// One file.
typedef struct {
    const char *name;
    const uint8_t *bytes;
    size_t count;
} apus_demo_file;

// Number of files of the model.
size_t apus_demo_model_file_count(void);

// A file of the model, in Hugging Face's layout; index below apus_demo_model_file_count().
apus_demo_file apus_demo_model_file(size_t index);

// What the demo runs: Recipes/arithmetic-demo.yaml.
apus_demo_file apus_demo_recipe(void);

// What a user's own model is trained with: Recipes/arithmetic.yaml.
apus_demo_file apus_demo_next_recipe(void);

#endif
