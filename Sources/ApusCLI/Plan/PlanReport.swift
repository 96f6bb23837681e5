import Apus

/// A plan as people read it, and as programs do.
struct PlanReport {
    let plan: RunPlan
    let advice: [PlanAdvice]
    /// The same run with its frozen weights in 8 bits.
    let in8Bits: MemoryPlan

    init(_ plan: RunPlan) throws {
        self.plan = plan
        advice = try PlanAdvice.list(for: plan)
        in8Bits = try plan.with8BitWeights().memory
    }

    /// Several lines without a line break at the end.
    var text: String {
        let memory = plan.memory
        let rows = memory.parts.map { [$0.name, "\(mebibytes($0.bytes)) MiB", $0.detail] }
        let total = [
            "together", "\(mebibytes(memory.total)) MiB",
            "of \(mebibytes(memory.limit)) MiB \(plan.device.processor == nil ? "on the card" : "in this machine")",
        ]
        let table = Self.aligned(rows + [total] + inMainMemory + weightsIn8Bits)
        return [heading, table, verdict, changes].filter { !$0.isEmpty }.joined(separator: "\n\n")
    }

    /// What lies in main memory beside a card.
    private var inMainMemory: [[String]] {
        guard let rows = plan.memory.offloaded else { return [] }
        let note = "of \(mebibytes(rows.budget)) MiB free for them"
        return [["kept rows, in main memory", "\(mebibytes(rows.wanted)) MiB", note]]
    }

    /// What 8-bit weights would make of the total; nothing where it is the total.
    private var weightsIn8Bits: [[String]] {
        guard plan.run.precision != .int8 else { return [] }
        let note = "exact for Q8_0, Q5_0 and Q4_0 files, close for others" + Self.remark(in8Bits)
        return [["with load_in_8bit: true", "\(mebibytes(in8Bits.total)) MiB", note]]
    }

    private var heading: String {
        let (run, settings) = (plan.run, plan.configuration.settings)
        return """
            device   \(plan.device.summary)
            model    \(settings.model) (\(run.model.architecture.name), \(run.model.layerCount) layers of \
            \(run.model.hiddenSize))
            step     \(run.prompts) x \(run.groupSize) completions of at most \(run.completionTokens) tokens; prompts of \
            \(run.promptTokens) (\(plan.promptNote))
            """
    }

    private var verdict: String {
        let memory = plan.memory
        let budget = "\(mebibytes(memory.pageBudget)) MiB that memory_utilization leaves for them"
        switch memory.verdict {
        case .doesNotFit where memory.isShortOfMainMemory:
            return
                "It does not fit: one pass of training keeps \(mebibytes(memory.offloaded?.least ?? 0)) MiB of rows in main "
                + "memory, more than is free for them; gradient_checkpointing: true keeps them on the card."
        case .fitsRecomputing where memory.wantedPages <= memory.pageBudget:
            return
                "It fits. Main memory does not hold all kept rows of a generation: some are computed again, which is slower "
                + "and changes no result."
        case .fits: return "It fits, and every row of a generation stays in memory."
        case .fitsRecomputing:
            return
                "It fits. Rows of a generation would take \(mebibytes(memory.wantedPages)) MiB, more than the \(budget): "
                + "some are computed again, which is slower and changes no result."
        case .doesNotFit where memory.leastPages > memory.pageBudget:
            return
                "It does not fit: one pass of training needs \(mebibytes(memory.leastPages)) MiB of rows, more than the "
                + "\(budget)."
        case .doesNotFit: return "It does not fit."
        }
    }

    private var changes: String {
        guard !advice.isEmpty else { return "" }
        let rows = advice.map { item in
            [item.change, "\(mebibytes(item.memory.total)) MiB", item.effect + Self.remark(item.memory)]
        }
        return "To take less, each by itself:\n" + Self.aligned(rows)
    }

    private static func remark(_ memory: MemoryPlan) -> String {
        memory.verdict == .doesNotFit ? "; still does not fit" : ""
    }

    /// Columns of a table, the second one flush right.
    private static func aligned(_ rows: [[String]]) -> String {
        let widths = (0..<2).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let name = row[0] + String(repeating: " ", count: widths[0] - row[0].count)
            let size = String(repeating: " ", count: widths[1] - row[1].count) + row[1]
            return "  \(name)  \(size)  \(row[2])"
        }.joined(separator: "\n")
    }

    /// The object of `--json`.
    var json: JSONValue {
        func size(_ bytes: Int) -> JSONValue { .integer(bytes) }
        let memory = plan.memory
        return .object([
            "model": .string(plan.configuration.settings.model),
            "prompt_tokens": size(plan.run.promptTokens),
            "parts": .array(
                memory.parts.map {
                    .object(["name": .string($0.name), "bytes": size($0.bytes), "detail": .string($0.detail)])
                }),
            "total_bytes": size(memory.total),
            "int8_total_bytes": size(in8Bits.total),
            "least_bytes": size(memory.least),
            "limit_bytes": size(memory.limit),
            "page_budget_bytes": size(memory.pageBudget),
            "wanted_page_bytes": size(memory.wantedPages),
            "main_memory_bytes": size(memory.offloaded?.wanted ?? 0),
            "verdict": .string(memory.verdict.rawValue),
            "advice": .array(
                advice.map {
                    .object([
                        "change": .string($0.change), "total_bytes": size($0.memory.total),
                        "verdict": .string($0.memory.verdict.rawValue),
                    ])
                }),
        ])
    }
}
