import ApusFormats

/// A token of a template with the line it stands on.
struct Token: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        /// Text outside of tags, white space already trimmed.
        case text(String)
        case variableBegin, variableEnd, blockBegin, blockEnd
        case name(String)
        case string(String)
        case integer(Int)
        case bigInteger(BigInteger)
        case number(Double)
        /// An operator or a bracket, by its spelling.
        case mark(String)
        case end
    }

    var kind: Kind
    var line: Int

    /// What errors call the token.
    var spelling: String {
        switch kind {
        case .text: "text"
        case .variableBegin: "'{{'"
        case .variableEnd: "'}}'"
        case .blockBegin: "'{%'"
        case .blockEnd: "'%}'"
        case .name(let name): "'\(name)'"
        case .string: "a string"
        case .integer, .bigInteger, .number: "a number"
        case .mark(let mark): "'\(mark)'"
        case .end: "the end of the template"
        }
    }
}
