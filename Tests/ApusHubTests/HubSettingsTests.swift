import ApusHub
import ApusTestSupport
import Foundation
import Testing

@Suite("Names and settings of the hub")
struct HubSettingsTests {
    @Test("Names as people write them")
    func names() throws {
        let name = try RepositoryName("HuggingFaceTB/SmolLM2-135M-Instruct@refs/pr/1:Q4_K_M")
        #expect(name.id == "HuggingFaceTB/SmolLM2-135M-Instruct")
        #expect(name.revision == "refs/pr/1" && name.selector == "Q4_K_M" && name.kind == .model)
        #expect(name.description == "HuggingFaceTB/SmolLM2-135M-Instruct@refs/pr/1:Q4_K_M")
        #expect(try RepositoryName("gpt2").revision == "main")
        #expect(try RepositoryName("openai/gsm8k", kind: .dataset).description == "openai/gsm8k")
    }

    @Test(
        "Names that lead elsewhere",
        arguments: [
            "", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a/b..c", "a/b--c", "a/.b", "a/b.", "-a/b", "a/b-", "a/b.git",
            "a b/c",
            "a/b\n", "a/b\u{0}", "a/é", "a/b@", "a/b@..", "a/b@a..b", "a/b@/x", "a/b@x/", "a/b@x//y", "a/b@.x",
            "a/b@x.lock",
            "a/b@x y", "a/b@x\ny", "a/b@-x", "a/b@x\\y", "a/b@x^", "a/b:", "a/b:../x", "a/b:x y", "a/b:x\ny",
            "a/" + String(repeating: "b", count: 97), "a/b@" + String(repeating: "c", count: 251), "http://a/b",
            "C:\\x",
        ])
    func hostileNames(name: String) throws {
        let error = #expect(throws: HubError.self) { try RepositoryName(name) }
        #expect(error?.code == .badName)
        #expect(error?.description.contains("\n") == false)
    }

    @Test("Folders as huggingface_hub finds them")
    func folders() throws {
        let cache = { (environment: [String: String]) in
            try HubSettings(environment: environment.merging(["HOME": "/home/me"]) { given, _ in given }).cache.path
        }
        #expect(try cache([:]) == "/home/me/.cache/huggingface/hub")
        #expect(try cache(["XDG_CACHE_HOME": "/x"]) == "/x/huggingface/hub")
        #expect(try cache(["XDG_CACHE_HOME": "/x", "HF_HOME": "~/h"]) == "/home/me/h/hub")
        #expect(try cache(["HF_HOME": "$A/${B}/$C", "A": "/a", "B": "b"]) == "/a/b/$C/hub")
        #expect(try cache(["HF_HOME": "/h", "HUGGINGFACE_HUB_CACHE": "/old"]) == "/old")
        #expect(try cache(["HF_HUB_CACHE": "/new", "HUGGINGFACE_HUB_CACHE": "/old"]) == "/new")
    }

    @Test("Token, endpoint, offline and time limits as huggingface_hub reads them")
    func values() throws {
        let home = try TemporaryFolder()
        let path = home.url.path(percentEncoded: false)
        let settings = { (environment: [String: String]) in
            try HubSettings(environment: environment.merging(["HF_HOME": path]) { given, _ in given })
        }
        #expect(try settings([:]).token == nil)
        _ = try home.write(Data("  hf_file\n".utf8), as: "token")
        #expect(try settings([:]).token == "hf_file")
        #expect(try settings(["HF_TOKEN": "hf_a\n"]).token == "hf_a")
        #expect(try settings(["HF_TOKEN": "hf_a\r\nX-Evil: 1"]).token == nil)
        #expect(try settings(["HF_TOKEN": "hf_a", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "yes"]).token == nil)
        _ = try home.write(Data("hf_other".utf8), as: "other")
        #expect(try settings(["HF_TOKEN_PATH": path + "/other"]).token == "hf_other")
        #expect(try settings([:]).endpoint.absoluteString == "https://huggingface.co")
        #expect(
            try settings(["HF_ENDPOINT": "https://hf-mirror.com//"]).endpoint.absoluteString == "https://hf-mirror.com")
        for wrong in ["hf-mirror.com", "ftp://x", "http://", "https://x?a=b"] {
            #expect(throws: HubError.self) { try settings(["HF_ENDPOINT": wrong]) }
        }
        for (environment, isOffline) in [
            ([:], false), (["HF_HUB_OFFLINE": "1"], true), (["HF_HUB_OFFLINE": "on"], true),
            (["HF_HUB_OFFLINE": "0"], false),
            (["TRANSFORMERS_OFFLINE": "1"], true), (["HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"], false),
        ] as [([String: String], Bool)] {
            #expect(try settings(environment).isOffline == isOffline)
        }
        #expect(try settings(["HF_HUB_DOWNLOAD_TIMEOUT": "30"]).stallTimeout == .seconds(30))
        #expect(try settings(["HF_HUB_DOWNLOAD_TIMEOUT": "x"]).stallTimeout == .seconds(10))
    }
}
