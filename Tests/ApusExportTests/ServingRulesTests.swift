import ApusExport
import ApusFormats
import Testing

@Suite struct ServingRulesTests {
    @Test(arguments: [(1, 8), (8, 8), (9, 16), (32, 32), (300, 320), (512, 512)])
    func theNextRankIsNamed(rank: Int, maximum: Int) throws {
        var configuration = LoRAConfigurationFile()
        configuration.rank = rank
        #expect(try ServingRules(configuration).maximumRank == maximum)
    }

    @Test("Bad input 44: a rank beyond vLLM's largest")
    func aRankBeyondTheLargest() {
        var configuration = LoRAConfigurationFile()
        configuration.rank = 513
        #expect { try ServingRules(configuration) } throws: { "\($0)".contains("r is 513, vLLM serves at most 512") }
    }

    @Test func theCommandSurvivesAShell() throws {
        let rules = try ServingRules(LoRAConfigurationFile())
        #expect(
            rules.command(base: "it's here", adapter: "out/a b", name: "mine")
                == #"vllm serve 'it'\''s here' --enable-lora --max-lora-rank 8 --lora-modules 'mine=out/a b'"#)
    }
}
