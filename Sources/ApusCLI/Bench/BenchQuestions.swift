import Apus

/// Word problems of our own, about as long as those of GSM8K, with the tutorial's system prompt.
enum BenchQuestions {
    static let dataset = Dataset(
        samples: questions.map { question in
            let system = Message(role: "system", content: systemPrompt)
            return Sample(prompt: .messages([system, Message(role: "user", content: question)]), columns: [:])
        })

    private static let systemPrompt =
        "Respond in the following format:\n<reasoning>\n...\n</reasoning>\n<answer>\n...\n</answer>\n"

    static let questions = [
        """
        A bakery fills 14 trays with 12 rolls each before it opens. By noon it has sold 95 rolls, and a school then \
        orders half of those that are left. How many rolls does the bakery still have after the school's order, if \
        it rounds the school's half down?
        """,
        """
        Lena walks 3 kilometres to work and back on each of the five working days. On Saturdays she walks twice as \
        far as on one working day, and on Sundays she rests. How many kilometres does she walk in four weeks?
        """,
        """
        A cinema has 18 rows of 20 seats. A ticket costs 9 dollars, and children pay 4 dollars less. On Friday three \
        quarters of the seats were taken, and 60 of the visitors were children. How many dollars did the cinema take \
        that evening?
        """,
    ]
}
