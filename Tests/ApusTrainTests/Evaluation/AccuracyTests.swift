import ApusTestSupport
import Testing

@testable import ApusTrain

struct AccuracyTests {
    private func isClose(_ interval: ClosedRange<Double>, _ low: Double, _ high: Double) -> Bool {
        abs(interval.lowerBound - low) < 5e-5 && abs(interval.upperBound - high) < 5e-5
    }

    /// Bounds computed from the formula in Wilson's paper of 1927, in Python.
    @Test(arguments: [
        (8, 10, 0.49016, 0.94332), (0, 20, 0, 0.16113), (20, 20, 0.83887, 1), (128, 256, 0.43921, 0.56079),
        (1, 1, 0.20655, 1), (239, 256, 0.89624, 0.95813),
    ])
    func oneAnswerAProblemGivesWilsonsInterval(right: Int, of count: Int, low: Double, high: Double) throws {
        let accuracy = try #require(Accuracy((0..<count).map { [$0 < right] }))
        #expect(accuracy.value == Double(right) / Double(count))
        #expect(accuracy.problems == count && accuracy.answers == count)
        #expect(isClose(accuracy.interval, low, high), "\(accuracy.interval)")
    }

    @Test func answersThatAlwaysAgreeCountOnce() throws {
        let single = try #require(Accuracy((0..<50).map { [$0 < 20] }))
        let repeated = try #require(Accuracy((0..<50).map { Array(repeating: $0 < 20, count: 4) }))
        #expect(repeated.value == single.value && repeated.answers == 200)
        #expect(isClose(repeated.interval, single.interval.lowerBound, single.interval.upperBound))
    }

    @Test func independentAnswersAllCount() throws {
        // Every problem is answered right twice in four: less spread than chance, so the bound of all answers holds.
        let accuracy = try #require(Accuracy((0..<50).map { _ in [true, true, false, false] }))
        let all = Accuracy.wilson(0.5, count: 200)
        #expect(accuracy.interval.lowerBound <= all.lowerBound && accuracy.interval.upperBound >= all.upperBound)
        let spread = try #require(Accuracy((0..<64).map { index in (0..<2).map { (index >> $0) & 1 == 0 } }))
        #expect(
            isClose(
                spread.interval, Accuracy.wilson(0.5, count: 126).lowerBound,
                Accuracy.wilson(0.5, count: 126).upperBound))
    }

    @Test func nothingGradedIsNoAccuracy() {
        #expect(Accuracy([]) == nil)
        #expect(Accuracy([[], []]) == nil)
        #expect(Accuracy([[], [true]])?.problems == 1)
    }

    @Test func changesArePairedByProblem() throws {
        let before = (0..<40).map { [$0 < 20] }
        let same = try #require(AccuracyChange(before: before, after: before))
        #expect(same.value == 0 && same.interval == 0...0)
        let after = (0..<40).map { [$0 < 30] }
        let change = try #require(AccuracyChange(before: before, after: after))
        #expect(change.value == 0.25)
        // 10 of 40 differences are 1: a standard deviation of 0.43853, divided by the root of 40, times 1.96.
        #expect(isClose(change.interval, 0.25 - 0.13590, 0.25 + 0.13590), "\(change.interval)")
        #expect(AccuracyChange(before: [[true]], after: [[false]]) == nil)
    }
}
