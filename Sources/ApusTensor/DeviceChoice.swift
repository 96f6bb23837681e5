/// Where a model is to compute, as the setting `device` says it.
public enum DeviceChoice: Sendable, Equatable, CustomStringConvertible {
    /// A card that can be used, else the processor.
    case automatic
    /// The processor.
    case cpu
    /// A card by its number, from 0 in the order of NVIDIA's driver, which `CUDA_VISIBLE_DEVICES` changes.
    case cuda(Int)

    /// How it is written, to end the sentence "expected …".
    public static let spelling = "auto, cpu, cuda, or cuda:N for card N"

    /// A choice as it is written; nil for anything else.
    public init?(_ text: String) {
        switch text {
        case "auto": self = .automatic
        case "cpu": self = .cpu
        case "cuda": self = .cuda(0)
        default:
            guard text.hasPrefix("cuda:"), let number = UInt16(text.dropFirst(5)) else { return nil }
            self = .cuda(Int(number))
        }
    }

    /// As it is written.
    public var description: String {
        switch self {
        case .automatic: "auto"
        case .cpu: "cpu"
        case .cuda(let ordinal): "cuda:\(ordinal)"
        }
    }
}
