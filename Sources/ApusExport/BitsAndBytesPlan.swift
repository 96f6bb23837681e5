import ApusFormats
import ApusModel
import ApusText

/// The tensors of a model whose linear layers are in bitsandbytes' NF4.
struct BitsAndBytesPlan {
    /// A weight as the model sees it.
    typealias LogicalWeight = (name: String, shape: [Int])

    /// Tensors by the weight that they belong to, which must share a file.
    let units: [[TensorLayout]]
    /// The weight behind each part of a quantised one.
    let parts: [String: (weight: LogicalWeight, part: BitsAndBytesParts.Part)]
    /// Whether the scales are kept in 8 bits.
    let doubleQuantization: Bool

    init(_ configuration: ModelConfiguration, doubleQuantization: Bool) {
        var units: [[TensorLayout]] = []
        var owners: [String: (weight: LogicalWeight, part: BitsAndBytesParts.Part)] = [:]
        for weight in configuration.tensorShapes {
            guard weight.name.hasSuffix("_proj.weight") else {
                units.append([TensorLayout(name: weight.name, shape: weight.shape, type: .bf16)])
                continue
            }
            let parts = BitsAndBytesParts.Part.allCases.compactMap { part in
                part.layout(of: weight, doubleQuantization: doubleQuantization).map { (part, $0) }
            }
            units.append(parts.map(\.1))
            for (part, layout) in parts { owners[layout.name] = (weight, part) }
        }
        self.units = units
        parts = owners
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
