import ApusFormats
import ApusModel
import ApusText

/// The tensors of a model whose linear layers are in bitsandbytes' NF4.
struct BitsAndBytesPlan {
    /// Tensors by the weight that they belong to, which must share a file.
    let units: [[TensorLayout]]
    /// The weight behind each name, and which part of it where it is quantised.
    let sources: [String: (weight: ModelTensor, part: BitsAndBytesParts.Part?)]
    /// Whether the scales are kept in 8 bits.
    let doubleQuantization: Bool

    init(_ configuration: ModelConfiguration, doubleQuantization: Bool) {
        var units: [[TensorLayout]] = []
        var sources: [String: (weight: ModelTensor, part: BitsAndBytesParts.Part?)] = [:]
        let layout = CheckpointLayout.huggingFace(configuration.architecture)
        for weight in configuration.tensors {
            let name = layout.name(of: weight.role)
            guard weight.role.matrixModule != nil else {
                units.append([TensorLayout(name: name, shape: weight.shape, type: .bf16)])
                sources[name] = (weight, nil)
                continue
            }
            let parts = BitsAndBytesParts.Part.allCases.compactMap { part in
                part.layout(of: weight, named: name, doubleQuantization: doubleQuantization).map { (part, $0) }
            }
            units.append(parts.map(\.1))
            for (part, layout) in parts { sources[layout.name] = (weight, part) }
        }
        self.units = units
        self.sources = sources
        self.doubleQuantization = doubleQuantization
    }

    /// `quantization_config` of config.json.
    var configuration: JSONValue {
        [
            "_load_in_4bit": true, "_load_in_8bit": false, "bnb_4bit_compute_dtype": "bfloat16",
            "bnb_4bit_quant_storage": "uint8", "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": .bool(doubleQuantization), "llm_int8_enable_fp32_cpu_offload": false,
            "llm_int8_has_fp16_weight": false, "llm_int8_skip_modules": .null, "llm_int8_threshold": 6.0,
            "load_in_4bit": true, "load_in_8bit": false, "quant_method": "bitsandbytes",
        ]
    }
}
