import ApusTestSupport
import ApusText
import Foundation
import Testing

@Suite struct TokenizerTests {
    @Test func loads() throws {
        let t = try Tokenizer(directory: Fixture.url("base96-slips"))
        #expect(
            t.decode(t.encode("<|user|>12 and 25 's höö?<|end|>"), skipSpecialTokens: false)
                == "<|user|>12 and 25 's höö?<|end|>")
    }
}
