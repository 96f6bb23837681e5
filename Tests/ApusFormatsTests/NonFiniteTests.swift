import ApusFormats
import Testing

@Suite struct NonFiniteTests {
    @Test(arguments: [0, 1, 15, 16, 17, 33, 1000])
    func countsAtEveryPosition(count: Int) {
        let plain = (0..<count).map { Float($0) * 1e30 }
        #expect(plain.withUnsafeBufferPointer { NonFinite.count(in: $0) } == 0)
        for position in plain.indices {
            var values = plain
            values[position] = [.nan, .infinity, -.infinity, -.nan][position % 4]
            #expect(values.withUnsafeBufferPointer { NonFinite.count(in: $0) } == 1)
        }
        let all = [Float](repeating: .nan, count: count)
        #expect(all.withUnsafeBufferPointer { NonFinite.count(in: $0) } == count)
    }

    @Test func largestAndSmallestAreFinite() {
        let values: [Float] = [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNonzeroMagnitude, -0.0]
        let sixteen = values + values + values + values
        #expect(sixteen.withUnsafeBufferPointer { NonFinite.count(in: $0) } == 0)
    }
}
