import Foundation
import Testing

@testable import ApusTrain

/// The order in which prompts are drawn, and GRESO's record of those that teach nothing.
struct PromptSelectionTests {
    private func stream(_ prompts: Int = 11, perGeneration: Int = 2) -> PromptStream {
        PromptStream(
            RepeatSampler(promptCount: prompts, promptsPerGeneration: perGeneration, shuffles: true, seed: 3407))
    }

    @Test func theStreamIsTRLsPassesOneAfterAnother() {
        var sampler = RepeatSampler(promptCount: 11, promptsPerGeneration: 2, shuffles: true, seed: 3407)
        let expected = (0..<4).flatMap { _ in sampler.nextEpoch().joined() }
        var stream = stream()
        #expect(stream.promptsPerPass == 10)
        #expect(expected.indices.map { stream.prompt(at: $0) } == expected)
        // In any order, back over passes too.
        for position in [39, 0, 25, 10, 9, 38] { #expect(stream.prompt(at: position) == expected[position]) }
    }

    @Test func withoutSkippingEveryPromptIsDrawnInTurn() {
        var stream = stream()
        var selection = PromptSelection()
        let drawn = (0..<7).flatMap { _ in selection.draw(3, from: &stream, skippingBy: nil) }
        #expect(drawn == (0..<21).map { stream.prompt(at: $0) })
        #expect(selection.position == 21 && selection.skipped == 0)
    }

    private func observe(
        _ selection: inout PromptSelection, _ prompt: Int, _ reward: Double, teaches: Bool = false
    ) {
        selection.observe([(prompt: prompt, rewards: [reward, reward], teaches: teaches)])
    }

    @Test func theLongerAPromptTaughtNothingTheLessLikelyItIs() {
        var selection = PromptSelection()
        // The run has seen rewards from 0 to 2.
        selection.observe([(prompt: 9, rewards: [0, 2], teaches: true)])
        #expect(selection.probability(of: 1) == 1)
        observe(&selection, 1, 2)
        #expect(selection.probability(of: 1) == selection.easy.probability)
        observe(&selection, 1, 2)
        #expect(selection.probability(of: 1) == selection.easy.probability * selection.easy.probability)
        // What was too easy and is too hard now begins anew, by the other base.
        observe(&selection, 1, 0)
        #expect(selection.probability(of: 1) == selection.hard.probability)
        selection.observe([(prompt: 1, rewards: [0, 2], teaches: true)])
        #expect(selection.probability(of: 1) == 1)
        // A group that nobody scored says nothing.
        selection.observe([(prompt: 1, rewards: [.nan, .nan], teaches: false)])
        #expect(selection.probability(of: 1) == 1)
        for _ in 0..<100 { observe(&selection, 1, 0) }
        #expect(selection.probability(of: 1) == 0.05)
    }

    @Test func basesFollowTheShareOfGroupsThatTeachNothing() {
        var selection = PromptSelection()
        #expect(selection.easy.probability == 0.5 && selection.hard.probability == 0.5)
        let mixed = (prompt: 1, rewards: [0.0, 2.0], teaches: true)
        let easy = (prompt: 2, rewards: [2.0, 2.0], teaches: false)
        // One of twelve is a share of 8.3 %: not below what is wanted. None is hard.
        selection.observe([easy] + Array(repeating: mixed, count: 11))
        #expect(abs(selection.easy.probability - 0.49) < 1e-12 && abs(selection.hard.probability - 0.51) < 1e-12)
        selection.observe([easy] + Array(repeating: mixed, count: 12))
        #expect(abs(selection.easy.probability - 0.5) < 1e-12 && abs(selection.hard.probability - 0.52) < 1e-12)
        for _ in 0..<200 { selection.observe([easy, mixed]) }
        #expect(selection.easy.probability == 0.05 && selection.hard.probability == 1)
    }

    @Test func skippingFollowsItsProbabilityTheSeedAndThePosition() throws {
        var stream = stream(100, perGeneration: 4)
        let hard = (0..<50).map { (prompt: $0, rewards: [0.0, 0.0], teaches: false) }
        let groups = hard + Array(repeating: (prompt: 99, rewards: [0, 2], teaches: true), count: 300)
        var selection = PromptSelection()
        selection.observe(groups)
        let expected = 50 * 20 + 50 * 20 * selection.hard.probability
        var drawn: [Int] = []
        // Twenty passes, whatever is drawn of them; saved and read back on the way.
        while selection.position < 2000 {
            drawn += selection.draw(1, from: &stream, skippingBy: 7)
            let data = try JSONEncoder().encode(selection)
            #expect(try JSONDecoder().decode(PromptSelection.self, from: data) == selection)
        }
        #expect(selection.skipped + drawn.count == selection.position)
        #expect(abs(Double(drawn.count) - expected) < 80, "\(drawn.count) of about \(expected)")
        // Never never.
        #expect(Set(drawn) == Set(0..<100))
        var again = PromptSelection()
        again.observe(groups)
        #expect(again.draw(drawn.count, from: &stream, skippingBy: 7) == drawn)
        #expect(again.draw(50, from: &stream, skippingBy: 8) != selection.draw(50, from: &stream, skippingBy: 7))
    }

    @Test func whenNothingIsLikelyAPassIsTheLongestWait() {
        var stream = stream(4, perGeneration: 1)
        var selection = PromptSelection()
        for _ in 0..<200 { for prompt in 0..<4 { observe(&selection, prompt, 1) } }
        var begin = selection.position
        for _ in 0..<50 {
            _ = selection.draw(1, from: &stream, skippingBy: 1)
            #expect(selection.position - begin <= 5)
            begin = selection.position
        }
    }

    @Test func whatTeachesComesFirstAndTheRestFillsUp() {
        func group(_ sample: Int) -> Rollout.Group {
            Rollout.Group(sample: sample, prompt: [], completions: [], texts: [], scores: [], extraColumns: [:])
        }
        var rollout = Rollout()
        rollout.append([group(0), group(1), group(2)], teaches: [false, true, false])
        rollout.append([group(3), group(4)], teaches: [true, false])
        #expect(rollout.usefulCount == 2 && rollout.rounds == 2)
        #expect(rollout.selection(2).map(\.sample) == [1, 3])
        #expect(rollout.selection(3).map(\.sample) == [0, 1, 3])
        #expect(rollout.selection(5).map(\.sample) == [0, 1, 2, 3, 4])
    }
}
