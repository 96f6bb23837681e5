import Apus

/// A change that makes a run smaller, and what the run would take with it.
struct PlanAdvice {
    let change: String
    let effect: String
    let memory: MemoryPlan

    /// What to change, in the order in which the tutorial goes through it, then what it does not name. Each is computed on its
    /// own; what saves nothing is left out.
    static func list(for plan: RunPlan) throws -> [PlanAdvice] {
        try changes(of: plan).compactMap { change, effect, edit in
            let memory = try plan.changed(edit).memory
            guard memory.total < plan.memory.total || memory.missingPages < plan.memory.missingPages else { return nil }
            return PlanAdvice(change: change, effect: effect, memory: memory)
        }
    }

    private typealias Change = (change: String, effect: String, edit: (inout RunConfiguration) -> Void)

    private static func changes(of plan: RunPlan) -> [Change] {
        tutorialChanges(plan) + ownChanges(plan)
    }

    /// Utilization, generations, batch size, target modules.
    private static func tutorialChanges(_ plan: RunPlan) -> [Change] {
        let trainer = plan.configuration.trainer
        let (group, pass) = (plan.run.groupSize, plan.run.completionsPerPass)
        var changes: [Change] = []
        if trainer.memoryUtilization > 0.5 {
            changes.append(
                (
                    "memory_utilization: 0.5", "fewer rows are kept, and computed again",
                    { $0.trainer.memoryUtilization = 0.5 }
                ))
        }
        if group > 4 {
            let batch = max(4, pass / group * 4)
            changes.append(
                (
                    "num_generations: 4, per_device_train_batch_size: \(batch)", "smaller groups",
                    {
                        $0.trainer.numGenerations = 4
                        $0.trainer.perDeviceTrainBatchSize = batch
                        $0.trainer.generationBatchSize = nil
                    }
                ))
        }
        if pass > group, pass % group == 0 {
            let steps = trainer.gradientAccumulationSteps * (pass / group)
            changes.append(
                (
                    "per_device_train_batch_size: \(group), gradient_accumulation_steps: \(steps)",
                    "the same step in smaller passes",
                    {
                        $0.trainer.perDeviceTrainBatchSize = group
                        $0.trainer.gradientAccumulationSteps = steps
                        $0.trainer.stepsPerGeneration = $0.trainer.stepsPerGeneration.map { $0 * (pass / group) }
                    }
                ))
        }
        let targets = try? plan.run.adapter?.targets(in: plan.run.model)
        let kinds = targets?.kinds ?? []
        let rest = kinds.filter { $0 != .query && $0 != .key }.map(\.name)
        if !rest.isEmpty, rest.count < kinds.count {
            changes.append(
                (
                    "lora_target_modules: [\(rest.joined(separator: ", "))]", "a smaller adapter",
                    { $0.settings.loraTargetModules = rest }
                ))
        }
        return changes
    }

    private static func ownChanges(_ plan: RunPlan) -> [Change] {
        let completion = plan.configuration.trainer.maxCompletionLength
        var changes: [Change] = [
            (
                "max_completion_length: \(max(1, completion / 2))", "shorter completions",
                { $0.trainer.maxCompletionLength = max(1, completion / 2) }
            )
        ]
        if plan.run.checkpointing == .none {
            changes.append(
                (
                    "gradient_checkpointing: true", "the insides of layers are computed again",
                    { $0.trainer.gradientCheckpointing = .recompute }
                ))
        }
        if plan.run.checkpointing != .offload {
            changes.append(
                (
                    "gradient_checkpointing: unsloth", "rows that training starts from lie in main memory",
                    { $0.trainer.gradientCheckpointing = .offload }
                ))
        }
        if !plan.configuration.settings.loadsIn4Bit {
            changes.append(
                (
                    "load_in_4bit: true", "base weights in NF4",
                    {
                        $0.settings.loadsIn4Bit = true
                        $0.settings.loadsIn8Bit = false
                    }
                ))
        }
        return changes
    }
}
