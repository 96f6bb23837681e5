import ApusFormats
import Testing

@Suite("The JSON core")
struct JSONReaderTests {
    /// All that a document says, in its order.
    private struct Tree: JSONReadable, JSONWritable {
        let json: JSONNode<Tree>

        static var jsonNull: Tree { Tree(json: .null) }
        init(json: JSONNode<Tree>) { self.json = json }
        init(jsonWord value: Bool) { json = .bool(value) }
        init?(jsonNumber text: String) {
            guard text != "666" else { return nil }
            json = .number(text)
        }
        init(jsonText text: String) { json = .string(text) }
        init(jsonElements elements: [Tree]) { json = .array(elements) }
        static func jsonMember(_ key: String, _ value: Tree) -> (key: String, value: Tree) { (key, value) }
        init(jsonMembers members: [(key: String, value: Tree)]) { json = .object(members) }
    }

    /// What is read, as it is written again.
    private func rewritten(_ text: some Sequence<UInt8>, isLenient: Bool = false) throws(JSONReader.Failure) -> String {
        var reader = JSONReader(Array(text), isLenient: isLenient)
        let tree: Tree = try reader.document()
        return JSONWriter(itemSeparator: ",", keySeparator: ":").write(tree)
    }

    @Test("The order of keys and the text of numbers are kept")
    func whole() throws {
        let text =
            #"{"z":12345678901234567890123,"a":[-0.10,1E+2,9007199254740993,0],"\"\\\n\b":{},"m":[true,false,null,"é"]}"#
        #expect(try rewritten(text.utf8) == text)
        #expect(try rewritten(" \(text.replacing(",", with: "\t,\r\n").replacing(":", with: " : ")) ".utf8) == text)
    }

    @Test(
        "What is wrong is said with its byte",
        arguments: [
            (#"{"a":1,"b":2,"a":3}"#, 13, "each key once, found 'a' twice"), (#"[1,{"a":2,}]"#, 10, "a key in quotes"),
            ("[1 2]", 3, "',', found '2'"), ("[1,]", 3, "a value, found ']'"), ("[0,01]", 3, "leading zeros"),
            (#"["\ud800"]"#, 2, "half of one"), ("[\"\u{1}\"]", 2, "control character"), (#"["\q"]"#, 2, "escape"),
            ("1 2", 2, "the end, found '2'"), ("[", 1, "found the end"), ("[1.]", 3, "a digit"), ("nul", 0, "a value"),
            ("[1,666]", 3, "within range, found 666"), ("\u{FEFF}1", 0, "found byte 0xEF"), ("\"\\", 1, "escape"),
        ])
    func failures(text: String, offset: Int, message: String) throws {
        let failure = try #require(throws: JSONReader.Failure.self) { try rewritten(text.utf8) }
        #expect(failure.offset == offset && failure.message.contains(message), "\(failure)")
    }

    @Test("Bytes that are no text are refused where the text begins")
    func invalidText() throws {
        let failure = try #require(throws: JSONReader.Failure.self) { try rewritten(bytes(hex: "5b2261ff225d")) }
        #expect(failure.offset == 2 && failure.message.contains("UTF-8"))
    }

    @Test("A lenient reader gives equal keys, repairs text and passes over a byte order mark")
    func lenient() throws {
        #expect(try rewritten(#"{"a":1,"a":2}"#.utf8, isLenient: true) == #"{"a":1,"a":2}"#)
        let text = Array("\u{FEFF}[\"\t\\ud800\\u0041\\ude00".utf8) + [0xFF] + Array("\"]".utf8)
        #expect(try rewritten(text, isLenient: true) == "[\"\\t\u{FFFD}A\u{FFFD}\u{FFFD}\"]")
    }

    @Test("What a caller asks for and what it passes over can be mixed")
    func pulling() throws {
        var reader = JSONReader(Array(#"{"skip":[{"a":[1]},[]],"list":[],"more":[ 7 , {"x":1}],"end":"!"} "#.utf8))
        var seen: [String] = []
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "list": try reader.beginArray()
            case "more":
                try reader.beginArray()
                while try reader.nextElement() {
                    seen.append("\(reader.offset)")
                    try reader.skipValue()
                }
                continue
            case "end": seen.append(try reader.string())
            default: try reader.skipValue()
            }
            if key == "list" { seen.append("\(try reader.nextElement())") }
        }
        #expect(seen == ["false", "42", "46", "!"])
        #expect(reader.peek() == nil)
    }

    @Test("Nesting is bounded, however a document is read")
    func depth() throws {
        let deep = String(repeating: "[", count: JSONReader.maximumDepth)
        #expect(throws: Never.self) { try rewritten((deep + deep.replacing("[", with: "]")).utf8) }
        for opening in ["[", #"{"a":"#] {
            let text = Array(String(repeating: opening, count: 100_000).utf8)
            for isLenient in [false, true] {
                #expect(throws: JSONReader.Failure.self) { try rewritten(text, isLenient: isLenient) }
            }
        }
    }

    @Test("A big integer is what JSON calls an integer, to the digit")
    func bigIntegers() {
        for text in ["0", "-0", "7", "-12345678901234567890123", String(repeating: "9", count: 4300)] {
            #expect(BigInteger(text)?.description == text)
        }
        let longest = String(repeating: "9", count: 4301)
        for text in ["", "-", "--1", "+1", "01", "-01", "1.0", "1e3", " 1", "1_000", "\u{0663}", longest] {
            #expect(BigInteger(text) == nil, "\(text)")
        }
        #expect(BigInteger("-9007199254740993")?.nearest == -0x1p53)
    }
}
