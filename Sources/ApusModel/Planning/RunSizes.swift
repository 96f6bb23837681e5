import ApusTensor

/// The sizes of what a step keeps and works with: the arithmetic of `PageStore`, `Workspace` and the CPU backend.
struct RunSizes {
    /// Rows of one prefill pass, and sequences that are decoded together: what `GenerationEngine` and `Scheduler` allow.
    private static let prefillRows = 2048
    private static let decodedTogether = 256
    /// Rows of logits that the sampler holds at a time.
    static let logitRows = 32
    /// Targets that go through the head together on each thread, and the tile of the vocabulary that they meet.
    private static let headRows = 96
    private static let headTile = 768

    private let run: PlannedRun
    private let widths: Widths

    init(_ run: PlannedRun) {
        self.run = run
        widths = Widths(run)
    }

    /// Widths of the activations, in fp32 values a row.
    private struct Widths {
        let hidden, query, keyValue, middle, heads, ranks: Int

        init(_ run: PlannedRun) {
            hidden = run.model.hiddenSize
            query = run.model.headCount * run.model.headSize
            keyValue = run.model.keyValueHeadCount * run.model.headSize
            middle = run.model.intermediateSize
            heads = run.model.headCount
            let targets = try? run.adapter.targets(layerCount: run.model.layerCount)
            ranks = run.adapter.rank * (targets?.modules.count ?? LinearModule.allCases.count)
        }

        /// Residual, normed, delta; query and attended; key and value; every adapter's x Aᵀ.
        var forward: Int { 3 * hidden + 2 * query + 2 * keyValue + ranks }
        /// Gradients of normed, query, attended, key and value, log-sum-exps, and of x Aᵀ.
        var backward: Int { hidden + 2 * query + 2 * keyValue + heads + ranks }
    }

    // MARK: Pages

    /// Of one token over all layers: keys and values.
    private var keyValueBytes: Int {
        KeyValueCache.Shape(run.model, run.precision).pageBytes / KeyValueCache.pageTokens
    }

    /// Of one token over all layers: two residual streams a layer and one after the last, and without checkpointing the
    /// insides of the layers.
    private var inputBytes: Int { LayerInputs.tokenBytes(run.model, run.precision, activations: run.keepsActivations) }

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
        let prompts = max(run.promptLimit, min(Self.prefillRows, run.prompts * run.promptLimit))
        return max(prompts, min(Self.decodedTogether, run.prompts * run.groupSize))
    }

    /// Rows of a pass of training: each prompt once, each completion without its last token.
    var trainingRows: Int {
        run.groupsPerPass * run.promptLimit + run.completionsPerPass * (run.completionLimit - 1)
    }

    /// Of some rows, those that go through a feed-forward network together.
    private func feedForwardRows(_ rows: Int) -> Int { min(rows, Workspace.feedForwardRows(run.model)) }

    /// The sampler's activations and logits.
    var samplingBytes: Int {
        let activations = samplingRows * widths.forward + feedForwardRows(samplingRows) * 3 * widths.middle
        return 4 * (activations + Self.logitRows * (widths.hidden + run.model.vocabularySize))
    }

    /// The trainer's activations; what is rounded to 16 bits at a time (all rows' input, or some rows' gradients of gate and
    /// up; and queries); what completions add to their prompts' keys and values; and the gradient that enters at the head.
    var trainingBytes: Int {
        let (rows, fewer) = (trainingRows, feedForwardRows(trainingRows))
        let values = rows * (widths.forward + widths.backward + widths.hidden) + fewer * 3 * widths.middle
        let rounded = max(rows * widths.hidden, fewer * 2 * widths.middle) + rows * widths.query
        return 4 * values + (run.precision == .f32 ? 0 : 2 * rounded)
            + 4 * run.completionsPerPass * 2 * run.promptLimit * widths.keyValue
    }

    /// Scratch of one thread: two rows of logits, or attention backward over the longest sequence (queries in fp32 and in
    /// 16 bits, gradients of outputs and of queries).
    var scratchBytes: Int {
        let context = run.promptLimit + run.completionLimit
        return 4 * max(2 * run.model.vocabularySize, 7 * context * widths.query / (2 * run.model.keyValueHeadCount))
    }

    /// The head's buffers of one thread, in fp32 and rounded.
    var headBytes: Int { 8 * Self.headRows * (widths.hidden + Self.headTile) }
}
