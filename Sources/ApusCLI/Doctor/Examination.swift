import Apus
import ApusCUDA
import Foundation

/// What `apus doctor` finds: each with how it stands, and what to do where something is missing.
struct Examination {
    /// One thing that was looked at.
    struct Finding: Encodable, Equatable {
        enum Status: String, Encodable {
            case ok, missing, note
        }

        let name: String
        let status: Status
        let value: String
        /// What to do; nil where nothing is.
        var advice: String?
    }

    let findings: [Finding]

    init(machine: Machine = Machine(), folder: String = FileManager.default.currentDirectoryPath) {
        findings =
            [
                Finding(name: "apus", status: .ok, value: ApusCommand.version),
                Self.processor(machine),
                Self.kernels(),
                Self.memory(machine),
                Self.disk(machine),
                Self.weightCache(.standard),
                Self.python(),
                Self.models(in: folder),
            ] + Self.cards(Result { () throws(TensorError) in try CUDASurvey() })
    }

    /// NVIDIA's cards; or why there are none, which is no fault of a machine.
    static func cards(_ survey: Result<CUDASurvey, TensorError>) -> [Finding] {
        switch survey {
        case .failure(let error):
            return [
                Finding(name: "CUDA", status: .note, value: error.finding, advice: "everything runs on the processor")
            ]
        case .success(let survey):
            let cards = survey.devices.map { device in
                let facts = "\(mebibytes(device.memory)) MiB, driver for CUDA \(survey.driverVersion)"
                return Finding(
                    name: "cuda:\(device.ordinal)", status: device.obstacle == nil ? .ok : .note,
                    value: "\(device.name), \(facts)", advice: device.obstacle.map { "\($0)" })
            }
            let advice = "gradients are computed by Apus' own kernels"
            return cards + [
                Finding(
                    name: "cuBLASLt", status: survey.hasProducts ? .ok : .note, value: survey.products,
                    advice: survey.hasProducts ? nil : advice)
            ]
        }
    }

    private static func processor(_ machine: Machine) -> Finding {
        let caches = machine.caches.isEmpty ? "" : "; " + machine.caches.joined(separator: ", ")
        let cores = "\(machine.cores) \(machine.cores == 1 ? "core" : "cores")"
        return Finding(name: "processor", status: .ok, value: "\(machine.processor), \(cores)\(caches)")
    }

    /// Which kernels will run; `APUS_ISA` may name others, or none that there are.
    private static func kernels() -> Finding {
        let available = InstructionSet.available.filter { !$0.isEmulated }.map(\.rawValue).joined(separator: ", ")
        do {
            let selected = try InstructionSet.selected()
            let forced = ProcessInfo.processInfo.environment["APUS_ISA"] ?? ""
            let reason = forced.isEmpty ? InstructionSet.preferred.reason : "APUS_ISA"
            let isSlow = selected == .portable
            return Finding(
                name: "kernels", status: isSlow ? .note : .ok,
                value: "\(selected.rawValue): \(reason); of \(available)",
                advice: isSlow ? "plain C is slow: a processor with AVX2 or NEON is several times faster" : nil)
        } catch {
            return Finding(
                name: "kernels", status: .missing, value: "\(error)", advice: "unset APUS_ISA")
        }
    }

    private static func memory(_ machine: Machine) -> Finding {
        Finding(
            name: "memory", status: .ok, value: "\(mebibytes(machine.memoryLimit)) MiB that a run may hold",
            advice: "`apus plan MODEL` says what a run takes of it")
    }

    private static func disk(_ machine: Machine) -> Finding {
        guard let free = machine.freeDisk else {
            return Finding(name: "disk", status: .note, value: "free space is unknown here")
        }
        let isShort = free < 1 << 30
        return Finding(
            name: "disk", status: isShort ? .missing : .ok, value: "\(mebibytes(free)) MiB free in this folder",
            advice: isShort ? "checkpoints need room: free some, or give --output_dir elsewhere" : nil)
    }

    /// Where quantised weights are kept between runs, if they are.
    static func weightCache(_ cache: WeightCache?) -> Finding {
        let name = "weight cache"
        let advice = "models load two to four times faster with one: set \(WeightCache.environmentVariable)=FOLDER"
        guard let cache else {
            let isOff = ProcessInfo.processInfo.environment[WeightCache.environmentVariable]?.isEmpty == false
            return Finding(
                name: name, status: .note,
                value: isOff ? "off (\(WeightCache.environmentVariable))" : "none: HOME is not set",
                advice: advice)
        }
        guard cache.isWritable else {
            return Finding(name: name, status: .note, value: "\(cache.directory) cannot be written", advice: advice)
        }
        let usage = cache.usage
        let files = "\(usage.files) \(usage.files == 1 ? "model" : "models")"
        return Finding(
            name: name, status: .ok,
            value: "\(cache.directory): \(files), \(mebibytes(usage.bytes)) of at most \(mebibytes(usage.limit)) MiB")
    }

    /// The interpreter that runs reward functions in Python.
    private static func python() -> Finding {
        let virtual = ProcessInfo.processInfo.environment["VIRTUAL_ENV"].map { $0 + "/bin/python" }
        guard let path = virtual.flatMap(Executable.path) ?? Executable.path("python3"),
            let version = Executable.version(path)
        else {
            return Finding(
                name: "python", status: .missing, value: "no python3 found",
                advice:
                    "only for reward functions in Python and for Scripts/get_model.sh: apt install python3 python3-pip")
        }
        return Finding(name: "python", status: .ok, value: "\(version) at \(path), for reward functions in Python")
    }

    /// GGUF files and model folders below `models`, where Scripts/get_model.sh puts them.
    private static func models(in folder: String) -> Finding {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder + "/models")) ?? []
        let models = names.sorted().filter { name in
            name.hasSuffix(".gguf") || FileManager.default.fileExists(atPath: "\(folder)/models/\(name)/config.json")
        }
        guard !models.isEmpty else {
            return Finding(
                name: "models", status: .missing, value: "none in models/",
                advice: "Scripts/get_model.sh smollm2 fetches one of 94 MB; `apus demo` needs none")
        }
        return Finding(name: "models", status: .ok, value: models.map { "models/\($0)" }.joined(separator: ", "))
    }
}
