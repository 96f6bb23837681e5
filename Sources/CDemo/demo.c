#include "CDemo.h"

static const uint8_t config[] = {
#embed "../../Recipes/demo/model/config.json"
};
static const uint8_t weights[] = {
#embed "../../Recipes/demo/model/model.safetensors"
};
static const uint8_t tokenizer[] = {
#embed "../../Recipes/demo/model/tokenizer.json"
};
static const uint8_t tokenizer_config[] = {
#embed "../../Recipes/demo/model/tokenizer_config.json"
};
static const uint8_t recipe[] = {
#embed "../../Recipes/arithmetic-demo.yaml"
};
static const uint8_t next_recipe[] = {
#embed "../../Recipes/arithmetic.yaml"
};

static const apus_demo_file model[] = {
    {"config.json", config, sizeof config},
    {"model.safetensors", weights, sizeof weights},
    {"tokenizer.json", tokenizer, sizeof tokenizer},
    {"tokenizer_config.json", tokenizer_config, sizeof tokenizer_config},
};

size_t apus_demo_model_file_count(void) { return sizeof model / sizeof model[0]; }

apus_demo_file apus_demo_model_file(size_t index) { return model[index]; }

apus_demo_file apus_demo_recipe(void) {
    return (apus_demo_file){"arithmetic-demo.yaml", recipe, sizeof recipe};
}

apus_demo_file apus_demo_next_recipe(void) {
    return (apus_demo_file){"arithmetic.yaml", next_recipe, sizeof next_recipe};
}
