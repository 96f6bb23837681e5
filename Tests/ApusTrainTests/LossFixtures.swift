import ApusData
import Testing

@testable import ApusTrain

func isClose(_ a: Double, _ b: Double, tolerance: Double = 1e-5) -> Bool {
    abs(a - b) <= tolerance * max(1, abs(b))
}

/// Compares the unpadded `actual` with the head of `expected`, and that the padding of `expected` is 0.
func expectEqual(_ actual: [Float], _ expected: [Double], _ comment: String) {
    for (index, value) in expected.enumerated() {
        let found = index < actual.count ? Double(actual[index]) : 0
        #expect(isClose(found, value), "\(comment), token \(index): \(found), expected \(value)")
    }
}

struct LossFile: Decodable {
    var inputs: [String: LossInputs]
    var cases: [LossCase]
    var adaptive: AdaptiveCase

    /// The settings that every case of trl_loss.json starts from, with the case's own over them.
    static func configuration(_ settings: [String: JSONValue]) throws -> GRPOConfiguration {
        let standard: [String: JSONValue] = [
            "per_device_train_batch_size": .number(4), "num_generations": .number(2),
            "max_completion_length": .number(8), "gradient_accumulation_steps": .number(1),
        ]
        return try GRPOConfiguration(settings: standard.merging(settings) { $1 })
    }
}

struct LossInputs: Decodable {
    var lp: [[Float]]
    var old: [[Float]]?
    var ref: [[Float]]?
    var ent: [[Float]]
    var mask: [[Int]]
    var adv: [Double]
    var tool_mask: [[Int]]?

    /// A row without its padding.
    func row(_ index: Int) -> LossRow {
        let count = mask[index].reduce(0, +)
        let tool = tool_mask?[index] ?? Array(repeating: 1, count: count)
        return LossRow(
            advantage: adv[index], mask: tool.prefix(count).map { $0 == 1 }, logProbs: Array(lp[index].prefix(count)),
            oldLogProbs: old.map { Array($0[index].prefix(count)) },
            referenceLogProbs: ref.map { Array($0[index].prefix(count)) }, entropies: Array(ent[index].prefix(count)))
    }
}

struct LossCase: Decodable {
    var name: String
    var inputs: String
    var cfg: [String: JSONValue]
    var mode: String?
    var micro: [[Int]]?
    var num_items_in_batch: Int
    var loss: [Double]
    var dlp: [[Double]]
    var dent: [[Double]]?
    var metrics: [String: [Double?]]

    private enum CodingKeys: String, CodingKey {
        case name, inputs, cfg, mode, micro, num_items_in_batch, loss, dlp, dent, metrics
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        inputs = try container.decode(String.self, forKey: .inputs)
        cfg = try container.decode([String: JSONValue].self, forKey: .cfg)
        mode = try container.decodeIfPresent(String.self, forKey: .mode)
        micro = try container.decodeIfPresent([[Int]].self, forKey: .micro)
        num_items_in_batch = try container.decode(Int.self, forKey: .num_items_in_batch)
        dlp = try container.decode([[Double]].self, forKey: .dlp)
        dent = try container.decodeIfPresent([[Double]].self, forKey: .dent)
        if micro == nil {
            loss = [try container.decode(Double.self, forKey: .loss)]
            metrics = try container.decode([String: Double?].self, forKey: .metrics).mapValues { [$0] }
        } else {
            loss = try container.decode([Double].self, forKey: .loss)
            metrics = try container.decode([String: [Double?]].self, forKey: .metrics)
        }
    }
}

struct AdaptiveCase: Decodable {
    struct Step: Decodable {
        var loss: [Double]
        var policy_loss: [Double]
        var entropy_coef_logged: Double
        var window_entropy: Double
    }
    var inputs: String
    var cfg: [String: JSONValue]
    var ent_scale: [Float]
    var steps: [Step]
}

struct PortFile: Decodable {
    struct Options: Decodable {
        var beta: Double?
        var eh: Double?
        var delta: Double?
        var bias_corr: Bool?
        var GA: Int?
        var spg: Int?
        var num_items: Int?
        var maxlen: Int?
    }
    struct Case: Decodable {
        var loss_type: LossType
        var level: ImportanceSamplingLevel
        var kw: Options
        var loss: Double
    }
    var lp: [[Float]]
    var old: [[Float]]
    var ref: [[Float]]
    var mask: [[Double]]
    var adv: [String: [Double]]
    var cases: [Case]
}
