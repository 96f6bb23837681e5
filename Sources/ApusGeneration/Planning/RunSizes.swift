import ApusModel
import ApusTensor

/// The sizes of what a step keeps and works with, asked of those that hold it: pages, workspaces, the engine and the backend.
struct RunSizes {
    private let run: PlannedRun
    private let backend: any Backend

    init(_ run: PlannedRun, _ backend: any Backend) {
        self.run = run
        self.backend = backend
    }

    // MARK: Pages

    /// Of one token over all layers: keys and values.
    private var keyValueBytes: Int {
        backend.pageBytes(KeyValueCache.Shape(run.model, run.precision)) / KeyValueCache.pageTokens
    }

    /// Of one token over all layers: two residual streams a layer and one after the last, and without checkpointing the
    /// insides of the layers.
    private var inputBytes: Int {
        LayerInputs.tokenBytes(run.model, run.precision, run.checkpointing, on: backend)
    }

    /// Of one token in the host's memory, where kept rows lie there beside a device.
    private var hostTokenBytes: Int {
        LayerInputs.hostTokenBytes(run.model, run.precision, run.checkpointing, on: backend)
    }

    /// The host's memory for all rollouts of a generation, and for one pass of training.
    var hostBytes: (wanted: Int, least: Int) {
        let pageBytes = hostTokenBytes * KeyValueCache.pageTokens
        return ((pages - (run.hasReference ? leastPages : 0)) * pageBytes, leastPages * pageBytes)
    }

    /// Of one token, both.
    var tokenBytes: Int { keyValueBytes + inputBytes }

    /// Of one page.
    var pageBytes: Int { tokenBytes * KeyValueCache.pageTokens }

    /// Of the pages, what is never written: the pass under the base model keeps nothing for a backward pass.
    var untouchedBytes: Int { run.hasReference ? leastPages * KeyValueCache.pageTokens * inputBytes : 0 }

    /// A prompt's pages.
    private var promptPages: Int { Self.pages(run.promptLimit) }

    /// Pages of a completion's own: the last one of the prompt is copied unless it is full; its last token has no row.
    private var completionPages: Int {
        Self.pages(run.promptLimit + run.completionLimit - 1) - run.promptLimit / KeyValueCache.pageTokens
    }

    /// Of all rollouts of a generation, and of a pass under the base model beside them where there is a KL term.
    var pages: Int {
        run.prompts * (promptPages + run.groupSize * completionPages) + (run.hasReference ? leastPages : 0)
    }

    /// Of one pass of training; it is more than one sequence needs.
    var leastPages: Int { run.groupsPerPass * promptPages + run.completionsPerPass * completionPages }

    private static func pages(_ tokens: Int) -> Int { PageStore.pages(for: tokens) }

    // MARK: Activations

    /// Rows that the sampler computes at a time: of prompts, or of one token for each sequence.
    var samplingRows: Int {
        let prompts = max(run.promptLimit, min(GenerationEngine.prefillRows, run.prompts * run.promptLimit))
        return max(prompts, min(GenerationEngine.laneLimit, run.prompts * run.groupSize))
    }

    /// Rows of a pass of training: each prompt once, each completion without its last token.
    var trainingRows: Int {
        run.groupsPerPass * run.promptLimit + run.completionsPerPass * (run.completionLimit - 1)
    }

    /// Columns of the projections x Aᵀ of all adapters of a layer.
    private var projectedColumns: Int {
        guard let adapter = run.adapter else { return 0 }
        let targets = try? adapter.targets(in: run.model)
        return (targets?.largestRank ?? adapter.rank) * (targets?.kinds.count ?? LinearModule.allCases.count)
    }

    /// The sampler's activations and logits.
    var samplingBytes: Int {
        Workspace.byteCount(
            run.model, rows: samplingRows, projectedColumns: projectedColumns, training: false, on: backend)
            + GenerationEngine.logitBytes(run.model)
    }

    /// The trainer's activations; what is rounded to 16 bits at a time (all rows' input, or some rows' gradients of gate and
    /// up; and queries); what completions add to their prompts' keys and values; and the gradient that enters at the head.
    var trainingBytes: Int {
        let rows = trainingRows
        let (hidden, middle) = (run.model.hiddenSize, run.model.intermediateSize)
        let (query, keyValue) = (run.model.queryWidth, run.model.keyWidth)
        let fewer = min(rows, Workspace.feedForwardRows(run.model, on: backend))
        let rounded = max(rows * hidden, fewer * 2 * middle) + rows * query
        return Workspace.byteCount(
            run.model, rows: rows, projectedColumns: projectedColumns, training: true, on: backend)
            + 4 * rows * hidden + (run.precision == .f32 ? 0 : 2 * rounded)
            + 4 * run.completionsPerPass * 2 * run.promptLimit * keyValue + fetchBytes
    }

    /// Two buffers on the device, each for a pass's rows of one kept stream on their way from the host.
    private var fetchBytes: Int { 2 * trainingRows * hostTokenBytes / (2 * run.model.layerCount + 1) }

    // MARK: Device

    /// What operations work in, whatever the batch.
    var scratchBytes: Int {
        backend.scratchBytes(
            KeyValueCache.Shape(run.model, run.precision), maxContext: run.promptLimit + run.completionLimit,
            vocabularySize: run.model.vocabularySize, hiddenSize: run.model.hiddenSize)
    }
}
