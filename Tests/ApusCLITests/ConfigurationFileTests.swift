import Apus
import Testing

@testable import ApusCLI

@Suite struct ConfigurationFileTests {
    @Test func settingsRememberTheirLine() throws {
        let settings = try ConfigurationFile.parse("# a comment\nbeta: 0.1\n\nseed: 7\n", name: "run.yaml")
        #expect(settings.map(\.name) == ["beta", "seed"])
        #expect(settings.map(\.label) == ["run.yaml:2: beta", "run.yaml:4: seed"])
    }

    @Test func quotesMakeWordsOfNullAndTrue() throws {
        let settings = try ConfigurationFile.parse("a: null\nb: \"null\"\nc: None\nd: 'true'\n", name: "run.yaml")
        #expect(settings.map(\.value.isNull) == [true, false, true, false])
        #expect(settings[3].value.untyped == .string("true"))
    }

    @Test func anEmptyFileIsAConfiguration() throws {
        #expect(try ConfigurationFile.parse("# nothing yet\n", name: "run.yaml").isEmpty)
    }

    @Test(arguments: [
        ("- a\n- b\n", "run.yaml: expected lines of 'name: value'"),
        ("beta: 1\nbeta: 2\n", "set twice"),
        ("beta: [1, 2\n", "run.yaml:"),
        ("beta: {a: 1\nseed: 3\n", "run.yaml:"),
    ])
    func brokenFilesAreNamed(yaml: String, wanted: String) {
        #expect {
            _ = try ConfigurationFile.parse(yaml, name: "run.yaml")
        } throws: { error in
            String(describing: error).contains(wanted) && String(describing: error).hasPrefix("run.yaml")
        }
    }

    @Test func aMissingFileIsNamed() {
        #expect(throws: SettingError.self) { try ConfigurationFile.read(path: "/nowhere/run.yaml") }
    }
}
