import ApusData
import ApusRewards
import Foundation
import Testing

@Suite("Rewards that a server computes", .serialized)
struct EndpointTests {
    /// A server in Python that answers as its script says; `body` is what was posted, `tries` counts the requests.
    private final class Server {
        let address: String
        private let process = Process()
        private let input = Pipe()

        /// - Parameter sending: statements that answer in another way than with what `answer` returns.
        init(_ answer: String = "return 200, {}", sending: String? = nil) throws {
            let script = """
                import http.server, json, os, sys, threading, time
                # Ends with the test, however that ends.
                threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
                tries = 0
                class Handler(http.server.BaseHTTPRequestHandler):
                    def do_POST(self):
                        global tries
                        tries += 1
                        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
                        \(sending ?? "self.send(*answer(body, tries))")
                    def send(self, status, text, **headers):
                        data = (text if isinstance(text, str) else json.dumps(text)).encode()
                        self.send_response(status)
                        for name, value in headers.items(): self.send_header(name, value)
                        self.send_header('Content-Length', str(len(data)))
                        self.end_headers()
                        self.wfile.write(data)
                    def log_message(self, *args): pass
                def answer(body, tries): \(answer)
                server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
                print(server.server_address[1], flush=True)
                server.serve_forever()
                """
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = ["python3", "-c", script]
            let output = Pipe()
            process.standardOutput = output
            process.standardInput = input
            try process.run()
            let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
            address = "http://127.0.0.1:\(line.split(separator: "\n").first ?? "0")/score"
        }

        deinit { try? input.fileHandleForWriting.close() }
    }

    private func table(
        _ address: String, _ parameters: [String: JSONValue] = [:], policy: RewardFailurePolicy = .stop
    ) async throws -> RewardTable {
        let declaration = RewardDeclaration(address, parameters: parameters.merging(["label": "judge"]) { $1 })
        return try await RewardTable(
            RewardSuite([declaration]).functions, on: .conversation(["a", "bb", "ccc"]), failure: policy)
    }

    private func failure(_ server: Server, _ parameters: [String: JSONValue] = [:]) async throws -> String {
        let error = try await #require(throws: RewardError.self) { try await table(server.address, parameters) }
        return error.description.replacing(server.address, with: "ADDRESS")
    }

    @Test("The batch is posted as TRL passes it, and numbers and nulls come back")
    func scores() async throws {
        let server = try Server(
            "return 200, {'rewards': [len(c[0]['content']) if c[0]['content'] != 'bb' else None for c in body['completions']], "
                + "'metrics': {'keys': len(body)}, 'extra': {'answer': body['columns']['answer']}}")
        let table = try await table(server.address)
        #expect(table.rows == [[1], [nil], [3]])
        #expect(table.names == ["judge"])
        #expect(table.metrics == ["keys": [5]])
        #expect(table.extraColumns == ["answer": ["4", "4", "4"]])
    }

    @Test("Bad input 49: a server that fails for a while is asked again")
    func retries() async throws {
        let server = try Server("return (503, 'busy') if tries < 3 else (200, {'rewards': [1, 2, 3]})")
        #expect(try await table(server.address).rows == [[1], [2], [3]])
    }

    @Test("Bad input 49: a server that goes on failing, hangs or is away is named")
    func failures() async throws {
        let busy = try Server("return 503, 'busy'")
        #expect(
            try await failure(busy, ["retries": 1.0])
                == "reward 'judge' failed: ADDRESS answered with status 503: busy (2 attempts)")
        let wrong = try Server("return 404, ''")
        #expect(try await failure(wrong) == "reward 'judge' failed: ADDRESS answered with status 404")
        let slow = try Server("return time.sleep(60)")
        #expect(
            try await failure(slow, ["timeout": 1.0]) == "reward 'judge' failed: ADDRESS did not answer within 1 s")
        let error = try await #require(throws: RewardError.self) {
            try await table("http://127.0.0.1:9/x", ["retries": 1.0])
        }
        #expect(error.description.hasPrefix("reward 'judge' failed: http://127.0.0.1:9/x cannot be reached ("))
        #expect(error.description.hasSuffix(" (2 attempts)"))
    }

    @Test("Bad input 49: the time limit is for the whole answer, and its length is bounded")
    func bounds() async throws {
        let dripping = try Server(
            sending: "self.send_response(200); self.send_header('Content-Length', '1000'); self.end_headers(); "
                + "[(time.sleep(0.2), self.wfile.write(b' '), self.wfile.flush()) for _ in range(1000)]")
        #expect(
            try await failure(dripping, ["timeout": 1.0]) == "reward 'judge' failed: ADDRESS did not answer within 1 s")
        let endless = try Server(
            sending: "self.send_response(200); self.send_header('Content-Length', str(10 << 30)); self.end_headers(); "
                + "[self.wfile.write(bytes(1 << 20)) for _ in range(10 << 10)]")
        #expect(try await failure(endless) == "reward 'judge' failed: ADDRESS answered with more than 64 MiB")
    }

    @Test("Bad input 49: a redirection is followed on the same server, and to no other")
    func redirections() async throws {
        let moved = try Server(
            sending:
                "self.send(200, {'rewards': [1, 2, 3]}) if self.path == '/new' else self.send(307, '', Location='/new')"
        )
        #expect(try await table(moved.address).rows == [[1], [2], [3]])
        let elsewhere = try Server(sending: "self.send(307, '', Location='http://other.invalid/x?token=s3cret')")
        #expect(
            try await failure(elsewhere)
                == "reward 'judge' failed: ADDRESS sends on to http://other.invalid/x; give that address, if you trust it"
        )
        let round = try Server(sending: "self.send(308, '', Location='/again')")
        #expect(try await failure(round).contains("sends on from one address to the next more than 5 times"))
        let page = try Server(sending: "self.send(302, '', Location='/login')")
        #expect(try await failure(page).contains("sends on to"))
    }

    @Test("Bad input 49: what may be secret in an address is in no message, label or file of a run")
    func secrets() async throws {
        let server = try Server("return 403, 'no access with s3cret%20key for hunter2'")
        let address = server.address.replacing("http://", with: "http://me:hunter2@") + "?key=s3cret%20key"
        let suite = try RewardSuite([RewardDeclaration(address)])
        let function = try #require(suite.functions.first)
        let error = try await #require(throws: RewardError.self) {
            try await RewardTable([function], on: .conversation(["a"]))
        }
        let shown = [error.description, function.name, "\(function.identity)"].joined(separator: " ")
        for secret in ["s3cret", "hunter2"] { #expect(!shown.contains(secret), "\(shown)") }
        #expect(error.description.contains("answered with status 403: no access with"))
        let wrong = #expect(throws: RewardDeclarationError.self) {
            try RewardDeclaration("http://me:hunter2@h/x?key=s3cret", parameters: ["colour": 1]).resolved(in: [])
        }
        #expect(wrong?.description == "'http://h/x' has no parameter 'colour'; there are label, retries, timeout")
    }

    @Test("An address takes what is secret from the environment")
    func environment() async throws {
        setenv("APUS_TEST_KEY", "abc", 1)
        let server = try Server(
            sending: "self.send(200 if self.path == '/score?key=abc' else 403, {'rewards': [1, 2, 3]})")
        #expect(try await table(server.address + "?key=${APUS_TEST_KEY}").rows == [[1], [2], [3]])
        let unset = #expect(throws: RewardDeclarationError.self) {
            try RewardDeclaration(server.address + "?key=${APUS_UNSET_KEY}").resolved(in: [])
        }
        #expect(unset?.description.contains("'APUS_UNSET_KEY', which is not set") == true)
    }

    @Test("Cancelling a run ends the wait for a server")
    func cancellation() async throws {
        let server = try Server("return time.sleep(60)")
        let task = Task { try await table(server.address) }
        try await Task.sleep(for: .milliseconds(300))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test(
        "Bad input 30: answers that are no list of numbers are refused",
        arguments: [
            ("{'rewards': [1, 2]}", "reward 'judge' returned 2 scores for 3 completions; return exactly one for each"),
            (
                "{'rewards': [1, 'x', 2]}",
                "reward 'judge' failed on completion 1: ADDRESS returned 'x' (text); return a number, or null"
            ),
            (
                "{'rewards': [1, 2, True]}",
                "reward 'judge' failed on completion 2: ADDRESS returned true; return a number, or null"
            ),
            (
                "{'scores': [1]}",
                "reward 'judge' failed: ADDRESS wanted {\"rewards\": [numbers or null]}, found {\"scores\": [1]}"
            ), ("'oops'", "reward 'judge' failed: ADDRESS wanted {\"rewards\": [numbers or null]}, found oops"),
            (
                "{'rewards': [1, 2, float('inf')]}",
                "reward 'judge' failed: ADDRESS wanted {\"rewards\": [numbers or null]}, found {\"rewards\": [1, 2, Infinity]}"
            ),
        ])
    func wrongAnswers(answer: String, message: String) async throws {
        #expect(try await failure(Server("return 200, \(answer)")) == message)
    }
}
