/// One wording of a word problem, with `{a}` `{b}` `{c}` for the operands, `{n}` and `{m}` for two people, `{t}` for the
/// things counted and `{x}` for what they come in.
struct ArithmeticPhrasing {
    /// The words that fill a wording.
    struct Words {
        var name: String
        var otherName: String
        var things: String
        var boxes: String
    }

    let template: String

    /// The question in full.
    func filled(operands: [Int], words: Words) -> String {
        var values: [Character: String] = [
            "n": words.name, "m": words.otherName, "t": words.things, "x": words.boxes,
        ]
        for (letter, operand) in zip("abc", operands) { values[letter] = String(operand) }
        // A piece after "{" starts with the letter and "}".
        let pieces = template.split(separator: "{", omittingEmptySubsequences: false)
        return pieces.dropFirst().reduce(String(pieces[0])) { text, piece in
            text + (piece.first.flatMap { values[$0] } ?? "") + piece.dropFirst(2)
        }
    }
}

extension ArithmeticPhrasing.Words {
    static let names = ["Tom", "Mia", "Sam", "Ana", "Leo", "Zoe", "Max", "Eva", "Ben", "Ivy", "Dan", "Amy"]
    static let things = [
        "apples", "books", "coins", "cards", "eggs", "pens", "shells", "stamps", "cookies", "marbles",
    ]
    static let boxes = ["boxes", "bags", "packs", "jars"]

    /// Words drawn at random; the two names differ.
    init(_ random: inout SplitMix64) {
        name = random.element(of: Self.names)
        let chosen = name
        otherName = random.element(of: Self.names.filter { $0 != chosen })
        things = random.element(of: Self.things)
        boxes = random.element(of: Self.boxes)
    }
}

extension ArithmeticKind {
    /// The wordings of this kind.
    var phrasings: [ArithmeticPhrasing] { templates.map(ArithmeticPhrasing.init) }

    private var templates: [String] {
        switch self {
        case .add:
            [
                "{n} has {a} {t} and buys {b} more. How many {t} does {n} have?",
                "{n} has {a} {t}. {m} has {b} {t}. How many {t} do they have together?",
            ]
        case .sub:
            [
                "{n} has {a} {t} and gives {b} to {m}. How many {t} are left?",
                "{n} has {a} {t}. {m} has {b} fewer. How many {t} does {m} have?",
            ]
        case .mul:
            [
                "{n} buys {a} {x} with {b} {t} each. How many {t} is that?",
                "There are {b} {t} in each of {a} {x}. How many {t} are there?",
            ]
        case .addadd:
            [
                "{n} has {a} {t}, finds {b} and buys {c} more. How many {t} does {n} have?"
            ]
        case .addsub:
            [
                "{n} has {a} {t}, buys {b} more and gives {c} to {m}. How many {t} are left?"
            ]
        case .subadd:
            [
                "{n} has {a} {t}, sells {b} and then finds {c}. How many {t} does {n} have?"
            ]
        case .subsub:
            [
                "{n} has {a} {t}, sells {b} and gives {c} to {m}. How many {t} are left?"
            ]
        case .muladd:
            [
                "{n} buys {a} {x} with {b} {t} each and finds {c} more. How many {t} does {n} have?"
            ]
        case .mulsub:
            [
                "{n} buys {a} {x} with {b} {t} each and gives {c} to {m}. How many {t} are left?"
            ]
        case .addmul:
            [
                "Each day {n} finds {a} {t} and buys {b}. How many {t} does {n} have after {c} days?"
            ]
        case .times:
            [
                "{n} has {a} {t}. {m} has {b} times as many. How many {t} do they have together?"
            ]
        }
    }
}
