import Apus

/// What a run needs beside the trainer's own settings: the model, the adapter, the data and the machine. Keys are those of
/// TRL's `ModelConfig` and `ScriptArguments` where these have one.
struct RunSettings: DeclaredSettings {
    /// A model folder in Hugging Face's layout, or a GGUF file. Empty until the user gives one.
    var model = ""
    /// Of a model on the hub: the branch, tag or commit.
    var modelRevision = "main"
    /// Whether the frozen weights are quantised to NF4 (as Unsloth's default) or kept in bf16.
    var loadsIn4Bit = true
    /// Whether they are held in integers of 8 bits instead.
    var loadsIn8Bit = false
    /// `float32` keeps weights and arithmetic in fp32 where they are not quantised; `auto` and `bfloat16` are bf16.
    var dtype = "auto"
    /// Prompt and completion together, in tokens; nil for the model's own context length.
    var maxSequenceLength: Int?
    /// Where to compute.
    var device = DeviceChoice.automatic
    /// TRL's way to say that it is the processor.
    var usesCPU = false
    /// Threads to compute with; nil for one a core.
    var threads: Int?
    /// Whether quantised weights may come from the user's cache, and go there.
    var usesWeightCache = true
    /// Whether an adapter is trained beside frozen weights; false trains all weights.
    var usesPEFT = true
    /// A PEFT adapter folder to go on training from; nil for a fresh adapter.
    var adapter: String?
    var loraRank = 16
    var loraAlpha = 32.0
    /// Names of projections, or `all-linear`.
    var loraTargetModules = ["all-linear"]
    var layersToTransform: [Int]?
    var usesRSLoRA = false
    /// A data set by path or name, or `arithmetic` for the problems that are built in.
    var dataset = RunSettings.builtInDataset
    /// Which part of the data set, and which splits of it.
    var datasetConfiguration: String?
    var trainSplit = "train"
    var testSplit = RunSettings.standardTestSplit
    /// TRL's mixture of data sets, as it is written; empty for `dataset` alone.
    var datasets: [JSONValue] = []
    /// How many problems the built-in dataset has.
    var datasetSize = 1000
    /// Functions in Python that give rows, change them, and say which stay.
    var datasetRows: String?
    var datasetMap: String?
    var datasetFilter: String?
    var promptColumn = ColumnMapping.standardPrompt
    /// Templates over columns: the user's message, the reference answer, and which rows stay.
    var promptTemplate: String?
    var answerTemplate: String?
    var rowFilter: String?
    var answerColumn: String?
    var answerExtraction = "none"
    var systemPrompt: String?
    /// What the chat template may read beside the messages.
    var templateArguments: [String: JSONValue] = [:]
    /// A file to evaluate on, or `arithmetic` for held-out problems of the built-in kind; nil for none of its own.
    var evaluationDataset: String?
    /// Rows of the training data to evaluate on instead (below 1, a share of them); of the built-in data set, how many
    /// held-out problems.
    var evaluationSize: Double?
    /// Built-in reward functions and sets, functions in Python, servers.
    var rewardFunctions: [RewardDeclaration] = ["tutorial"]
    /// The interpreter of reward functions in Python; nil for that of the active virtual environment, else `python3`.
    var python: String?
    /// Processes for reward functions in Python.
    var rewardWorkers = 1
    /// Seconds that one call of a reward function in Python, or of a server, may take.
    var rewardTimeout = 60.0
    /// GiB of address space for each of these processes; 0 for no limit.
    var rewardMemoryLimit = 8.0
    /// What trackers call the run, and the project that they file it under; nil for their own defaults.
    var runName: String?
    var project = RunSettings.defaultProject
    var trackioSpace: String?
    /// Whether the result is pushed to the hub, to which repository and branch, and whether one that is made is private.
    var pushesToHub = false
    var hubModel: String?
    var hubRevision: String?
    var isPrivateOnHub = false
    /// Whether only plain lines are shown, also on a terminal.
    var disablesProgress = false

    /// transformers' `project`, which means that a tracker chooses.
    static let defaultProject = "huggingface"

    /// The value of `dataset_name` that needs no file.
    static let builtInDataset = "arithmetic"

    /// The split that is evaluated on where nobody names one.
    static let standardTestSplit = "test"

    /// What the names above mean on this machine; nil until somebody has looked.
    var files: LocatedFiles?
    /// The model's folder or file.
    var modelPath: String { files?.model ?? model }
    /// The folder of the adapter to go on from.
    var adapterPath: String? { files.map(\.adapter) ?? adapter }

    /// Whether the training data are the problems that are built in, or rows from a function.
    var hasDataset: Bool { dataset != Self.builtInDataset || !datasets.isEmpty }
    /// What messages call the training data.
    var dataName: String {
        datasetRows
            ?? (datasets.isEmpty ? dataset : datasets.compactMap { $0["path"]?.string }.joined(separator: " + "))
    }

    /// How the weights are held: trained ones in fp32.
    var precision: WeightPrecision {
        guard usesPEFT else { return .f32 }
        if loadsIn8Bit { return .int8 }
        return if loadsIn4Bit { .nf4 } else { dtype == "float32" ? .f32 : .bf16 }
    }

    /// Settles where to compute.
    ///
    /// - Returns: a key with what is wrong with it, or nil.
    mutating func settleDevice() -> (key: String, problem: String)? {
        guard usesCPU else { return nil }
        if case .cuda = device { return ("use_cpu", "device names a card; leave one of them out") }
        device = .cpu
        return nil
    }

    /// Settles how weights are held: in 4 bits unless 8 are asked for, and not quantised where they are trained.
    ///
    /// - Parameter asksFor4Bit: whether the user wrote `load_in_4bit: true`.
    /// - Returns: a key with what is wrong with it, or nil.
    mutating func settleWeights(asksFor4Bit: Bool) -> (key: String, problem: String)? {
        let trainsThem = "needs frozen weights, and use_peft: false trains them; set it to false"
        guard usesPEFT else {
            if adapter != nil { return ("adapter", "needs use_peft: true") }
            if asksFor4Bit { return ("load_in_4bit", trainsThem) }
            if loadsIn8Bit { return ("load_in_8bit", trainsThem) }
            loadsIn4Bit = false
            return nil
        }
        guard loadsIn8Bit else { return nil }
        loadsIn4Bit = false
        return asksFor4Bit ? ("load_in_8bit", "load_in_4bit is true too; leave one of them out") : nil
    }

    /// The adapter to make when none is given to start from.
    var loraConfiguration: LoRAConfiguration {
        LoRAConfiguration(
            rank: loraRank, alpha: loraAlpha, targetModules: loraTargetModules, layersToTransform: layersToTransform,
            usesRSLoRA: usesRSLoRA, baseModel: model)
    }
}
