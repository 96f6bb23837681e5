import Testing

@testable import ApusData

struct AnswerGradingTests {
    @Test(arguments: [
        ("<reasoning>\n40+2=42\n</reasoning>\n<answer>\n42\n</answer>\n", "42", true, true),
        ("<answer>42</answer>", " 42 ", true, true),
        ("<answer>42.0</answer>", "42", false, true),
        ("<answer>$1,080</answer>", "1080", false, true),
        ("<answer>It is 42.</answer>", "42", false, true),
        ("40 + 2 = 42", "42", false, true),
        ("42 apples, or 43", "42", false, false),
        ("<answer>41</answer> no: <answer>42</answer>", "42", true, true),
        ("<answer>42</answer> and 7 more", "42", true, true),
        ("<answer></answer> 42", "42", false, false),
        ("nothing", "42", false, false),
        ("", "42", false, false),
        ("<answer>paris</answer>", "Paris", false, true),
        ("<answer> New\n York. </answer>", "New York", false, true),
        ("The capital is Paris", "Paris", false, false),
        ("<answer></answer>", "", false, false),
    ])
    func gradesAnswers(completion: String, answer: String, strict: Bool, lenient: Bool) {
        #expect(AnswerGrading.strict.isCorrect(completion, answer: answer) == strict)
        #expect(AnswerGrading.lenient.isCorrect(completion, answer: answer) == lenient)
    }

    @Test(
        arguments: [
            ("8*12=96", "96"), ("12-5", "5"), ("12 - 5", "5"), ("it is -5", "-5"), ("(-5)", "-5"), ("-$5", "-5"),
            ("\u{2212}3 degrees", "-3"), ("x-3", "3"), ("1,080.50.", "1080.5"), ("3,14,15", "15"), ("7, 8, 9,", "9"),
            ("10 %", "10"), ("#### 1,080", "1080"), ("a1b2", "2"), ("1.2.3 then", nil), ("none", nil), ("", nil),
        ] as [(String, String?)])
    func findsTheLastNumber(text: String, number: String?) {
        #expect(DecimalText(lastIn: PythonText(text)) == number.flatMap { DecimalText(PythonText($0)) })
    }
}

struct DatasetSplitTests {
    private let dataset = Dataset.arithmetic(count: 10, seed: 1)

    @Test(arguments: [(3.0, 3), (0.3, 3), (0.25, 3), (9.0, 9), (1.0, 1)])
    func takesRowsOutInOrder(size: Double, count: Int) throws {
        let (training, evaluation) = try dataset.splittingOff(size, seed: 7)
        #expect(evaluation.count == count)
        var rest = training.samples[...]
        var chosen = evaluation.samples[...]
        for sample in dataset.samples {
            if chosen.first == sample { chosen.removeFirst() } else { #expect(rest.popFirst() == sample) }
        }
        #expect(rest.isEmpty && chosen.isEmpty)
        #expect(try dataset.splittingOff(size, seed: 7).evaluation == evaluation)
    }

    @Test func seedsPickOtherRows() throws {
        let picks = try (0..<5).map { try dataset.splittingOff(5, seed: $0).evaluation.samples[0].columns["question"] }
        #expect(Set(picks.compactMap { $0?.string }).count > 1)
    }

    @Test(arguments: [0.0, -1, 10, 11, 0.999])
    func leavesRowsForBoth(size: Double) {
        let error = #expect(throws: DataError.self) { try dataset.splittingOff(size, seed: 7) }
        #expect(error?.description.hasPrefix("eval_size: wanted 1 to 9 of the 10 rows") == true)
    }
}
