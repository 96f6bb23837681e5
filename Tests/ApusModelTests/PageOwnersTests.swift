import Testing

@testable import ApusModel

@Suite struct PageOwnersTests {
    /// Tables taken, shared and let go at random, against a plain count of who names which page.
    @Test func pagesAreFreeWhenNoTableNamesThem() {
        var owners = PageOwners(count: 20)
        var tables: [[Int32]] = []
        var state: UInt64 = 1
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for _ in 0..<2000 {
            switch next(3) {
            case 0 where owners.available > 0: tables.append(owners.take(1 + next(owners.available)))
            case 1 where !tables.isEmpty:
                tables.append(tables[next(tables.count)])
                owners.retain(tables[tables.count - 1])
            case 2 where !tables.isEmpty:
                let freed = owners.release(tables.remove(at: next(tables.count)))
                #expect(Set(freed).count == freed.count && Set(freed).isDisjoint(with: tables.joined()))
            default: break
            }
            let named = Set(tables.joined())
            #expect(owners.available == 20 - named.count)
            #expect(named.allSatisfy { 0..<20 ~= $0 })
        }
    }
}
