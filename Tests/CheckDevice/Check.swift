import ApusCPU
import ApusCUDA
import ApusGeneration
import ApusModel
import ApusTensor
import ApusTestDevices
import ApusTestModels

/// Something that is known, and how far a card is from it.
struct Check {
    let name: String
    let figures: () async throws -> [CheckFigure]

    /// Makes the check.
    func outcome() async -> CheckOutcome {
        let clock = ContinuousClock()
        let begin = clock.now
        func seconds() -> Double { begin.duration(to: clock.now) / .seconds(1) }
        do {
            let figures = try await figures()
            return CheckOutcome(name, figures, seconds: seconds())
        } catch {
            return CheckOutcome(name, error: error, seconds: seconds())
        }
    }

    /// All of them, the small ones first: what fails there explains what fails later.
    static func all(_ card: CUDABackend) -> [Check] {
        [operations(card), promises(card)] + TinyModel.names.map { tiny($0, card) }
            + FamilyModel.names.map { family($0, card) } + FamilyModel.fullyTrained.map { fullyTrained($0, card) }
            + WeightPrecision.allCases.map { sampling($0, card) }
            + WeightPrecision.allCases.map { training($0, card) } + [offloading(card)]
    }

    /// Every operation beside the plain device's.
    private static func operations(_ card: CUDABackend) -> Check {
        Check(name: "operations") {
            try compareOperations(card, PlainBackend()).map { found in
                CheckFigure(
                    subject: found.subject, figure: found.difference, tolerance: found.cardTolerance,
                    isRight: found.difference <= found.cardTolerance)
            }
        }
    }

    /// What a device promises to the bit.
    private static func promises(_ card: CUDABackend) -> Check {
        Check(name: "promises") {
            let broken = try brokenPromises(of: card, gradientsDependOnShapes: card.gradientsDependOnShapes)
            let all = CheckFigure(
                subject: "broken promises", figure: Double(broken.count), tolerance: 0, isRight: broken.isEmpty)
            return [all] + broken.map { CheckFigure(subject: $0, figure: 1, tolerance: 0, isRight: false) }
        }
    }

    /// A tiny model's log-probabilities, entropies and gradients, as transformers and PEFT computed them.
    private static func tiny(_ name: String, _ card: CUDABackend) -> Check {
        Check(name: "golden.\(name)") {
            let exact = try TinyModel(name, precision: .f32, backend: card)
            let rounded = try TinyModel(name, precision: .bf16, backend: card)
            return
                (try exact.scoreFindings(tolerance: 1e-5) + exact.gradientFindings(tolerance: 1e-3)
                + rounded.gradientFindings(tolerance: 3e-2)).map(CheckFigure.init)
        }
    }

    private static func family(_ name: String, _ card: CUDABackend) -> Check {
        Check(name: "family.\(name)") {
            let family = try FamilyModel(name)
            return (try family.logitFindings(on: card) + family.adapterFindings(on: card)).map(CheckFigure.init)
        }
    }

    private static func fullyTrained(_ name: String, _ card: CUDABackend) -> Check {
        Check(name: "full.\(name)") { try FamilyModel(name).fullFindings(on: card).map(CheckFigure.init) }
    }

    /// A sampled token's log-probability is the trainer's, to the bit.
    private static func sampling(_ precision: WeightPrecision, _ card: CUDABackend) -> Check {
        Check(name: "sampling.\(precision)") {
            let tiny = try TinyModel("tiny_qwen2", precision: precision, backend: card)
            return try SampledTwice.sampling.map { sampling in
                let twice = try SampledTwice(tiny, sampling: sampling)
                return CheckFigure(
                    subject: "log-probabilities with other bits, temperature \(sampling.temperature)",
                    figure: Double(twice.differingCount), tolerance: 0,
                    isRight: twice.differingCount == 0 && twice.crossesAPage)
            }
        }
    }

    /// Rows that training starts from in main memory, fetched on a stream of their own: gradients have the same bits, however
    /// the two streams run.
    private static func offloading(_ card: CUDABackend) -> Check {
        Check(name: "offloading") {
            let tiny = try TinyModel("tiny_qwen2", precision: .nf4, backend: card)
            func gradients(_ checkpointing: GradientCheckpointing) throws -> [Float] {
                let pages = PageStore(model: tiny.model, contents: .training(checkpointing), pages: 256)
                let pass = TrainingPass(model: tiny.model, trained: .adapter(tiny.adapter), pages: pages)
                tiny.adapter.zeroGradients()
                let scores = try pass.forward(tiny.groups)
                try pass.backward(scores.map { $0.map { $0.logProbs.map { _ in 1 } } })
                return try tiny.adapter.gradients
            }
            let expected = try gradients(.recompute)
            let differing = try (0..<20).count { _ in try gradients(.offload) != expected }
            return [
                CheckFigure(
                    subject: "passes of 20 with other bits", figure: Double(differing), tolerance: 0,
                    isRight: differing == 0)
            ]
        }
    }

    /// A few steps of training beside the processor's.
    private static func training(_ precision: WeightPrecision, _ card: CUDABackend) -> Check {
        Check(name: "training.\(precision)") {
            let run = TrainingComparison(precision: precision)
            return try await run.figures(of: card, beside: try CPUBackend(threads: 2))
        }
    }
}

extension CheckFigure {
    init(_ finding: ModelFinding) {
        self.init(
            subject: finding.subject, figure: Double(finding.difference), tolerance: Double(finding.tolerance),
            isRight: finding.isRight)
    }
}
