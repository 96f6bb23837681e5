import Apus
import Foundation

/// What a configuration would take, with what had to be assumed to say so.
struct RunPlan {
    let configuration: RunConfiguration
    let run: PlannedRun
    let memory: MemoryPlan
    /// What it would run on.
    let device: Device
    /// Where the length of the prompts comes from, for people.
    let promptNote: String

    /// Reads the model's header and the data; loads nothing.
    ///
    /// - Parameter limit: what the process may hold; nil for what it may hold here.
    /// - Throws: `CommandFailure` with status 2.
    init(_ configuration: RunConfiguration, limit: Int? = nil) throws {
        let settings = configuration.settings
        let device = try settings.openDevice()
        let model = try failing(as: .badInput) { try ModelConfiguration(path: settings.modelPath) }
        try self.init(
            configuration, model: model, prompt: PromptLength(configuration), device: device, limit: limit)
    }

    private init(
        _ configuration: RunConfiguration, model: ModelConfiguration, prompt: PromptLength, device: Device,
        limit: Int?
    ) throws {
        self.configuration = configuration
        self.device = device
        let settings = configuration.settings
        (run, memory) = try failing(as: .badInput) {
            let run = try PlannedRun(
                configuration.trainer, model: model, precision: settings.precision,
                adapter: settings.usesPEFT ? settings.loraConfiguration : nil, promptTokens: prompt.tokens,
                threads: settings.threads ?? ProcessInfo.processInfo.activeProcessorCount)
            let memory = try MemoryPlan(
                run, utilization: configuration.trainer.memoryUtilization, limit: limit, backend: device.backend)
            return (run, memory)
        }
        promptNote = prompt.note
    }

    /// The same with other settings.
    func changed(_ change: (inout RunConfiguration) -> Void) throws -> RunPlan {
        var configuration = configuration
        change(&configuration)
        return try RunPlan(
            configuration, model: run.model,
            prompt: PromptLength(tokens: run.promptTokens, note: promptNote), device: device, limit: memory.limit)
    }

    /// The same with frozen weights in 8 bits.
    func with8BitWeights() throws -> RunPlan {
        try changed {
            $0.settings.loadsIn8Bit = true
            $0.settings.loadsIn4Bit = false
        }
    }

    /// Refuses a run that this machine cannot hold whatever the estimate's error.
    ///
    /// - Throws: `CommandFailure` with status 2.
    func refuseIfHopeless() throws {
        guard memory.isHopeless else { return }
        throw CommandFailure(
            .badInput,
            "memory: wanted at least \(mebibytes(memory.least)) MiB for this run, found "
                + "\(mebibytes(memory.limit)) MiB that the process may hold\(device.processor == nil ? " on the card" : ""); "
                + "`apus plan` with the same arguments says what takes it and what to change")
    }
}

/// How long the prompts are taken to be.
struct PromptLength {
    let tokens: Int
    let note: String

    /// Bytes of text for a token: fewer than English has, more than most scripts have.
    private static let bytesPerToken = 3
    /// What a chat template adds to a message, and to the whole.
    private static let templateTokens = 8
    private static let unknown = 256

    init(tokens: Int, note: String) {
        (self.tokens, self.note) = (tokens, note)
    }

    /// From the longest prompt of the data; a usual length where the data cannot be read yet.
    init(_ configuration: RunConfiguration) {
        let limit = configuration.trainer.maxPromptLength
        if let dataset = try? configuration.makeDatasets().training, let longest = Self.longest(dataset) {
            self.init(
                tokens: min(longest, limit ?? longest),
                note: limit.map { $0 <= longest } ?? false ? "max_prompt_length" : "estimated from the data")
        } else if let limit {
            self.init(tokens: limit, note: "max_prompt_length")
        } else {
            self.init(tokens: Self.unknown, note: "assumed: there is no data to look at")
        }
    }

    private static func longest(_ dataset: Dataset) -> Int? {
        dataset.samples.map { sample in
            switch sample.prompt {
            case .messages(let messages):
                messages.reduce(templateTokens) { $0 + $1.content.utf8.count / bytesPerToken + templateTokens }
            case .text(let text): text.utf8.count / bytesPerToken
            }
        }.max()
    }
}

/// Bytes in MiB, rounded up, as people read them.
func mebibytes(_ bytes: Int) -> Int { (bytes + 1_048_575) / 1_048_576 }
