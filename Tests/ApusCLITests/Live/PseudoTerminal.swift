#if os(Linux)

    import Foundation
    import Glibc
    import Testing

    /// The built `apus` with a terminal as its output.
    enum PseudoTerminal {
        /// Runs to the end.
        /// - Parameter onOutput: called with all output so far, and the process, whenever some comes.
        /// - Returns: the exit status and everything that the terminal got.
        static func run(
            _ arguments: [String], environment: [String: String], columns: UInt16 = 80, rows: UInt16 = 24,
            onOutput: (String, Process) -> Void = { _, _ in }
        ) throws -> (status: Int32, output: String) {
            try run(arguments, environment: environment, columns: columns, rows: rows, hasInput: false) {
                output, process, _ in
                onOutput(output, process)
            }
        }

        private static func run(
            _ arguments: [String], environment: [String: String], columns: UInt16 = 80, rows: UInt16 = 24,
            hasInput: Bool,
            onOutput: (String, Process, _ keyboard: FileHandle) -> Void
        ) throws -> (status: Int32, output: String) {
            let (master, name) = try open()
            defer { close(master) }
            var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
            try #require(ioctl(master, UInt(TIOCSWINSZ), &size) == 0)
            let slave = try #require(FileHandle(forUpdatingAtPath: name))
            let process = Process()
            process.executableURL = Program.executable
            process.arguments = arguments
            process.environment = environment
            process.standardOutput = slave
            process.standardError = slave
            if hasInput { process.standardInput = slave }
            try process.run()
            try slave.close()
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4096)
            let keyboard = FileHandle(fileDescriptor: master, closeOnDealloc: false)
            // Linux ends with an error, others with 0 bytes, when the last writer has gone.
            while case let count = read(master, &buffer, buffer.count), count > 0 {
                bytes += buffer.prefix(count)
                onOutput(String(decoding: bytes, as: UTF8.self), process, keyboard)
            }
            process.waitUntilExit()
            return (process.terminationStatus, String(decoding: bytes, as: UTF8.self))
        }

        /// What a user does.
        enum Action {
            case type(String)
            /// As Ctrl-C does where the terminal is the program's own.
            case interrupt
        }

        /// Runs to the end with a terminal for input too. Each action is taken once its pattern is found in what came since the
        /// one before.
        static func converse(
            _ arguments: [String], environment: [String: String], _ script: [(wanted: Regex<Substring>, then: Action)]
        ) throws -> (status: Int32, output: String) {
            var rest = script[...]
            var start = 0
            return try run(arguments, environment: environment, hasInput: true) { output, process, master in
                guard let next = rest.first else { return }
                let news = String(decoding: Array(output.utf8)[start...], as: UTF8.self)
                guard (try? next.wanted.firstMatch(in: news)) != nil else { return }
                start = output.utf8.count
                rest = rest.dropFirst()
                switch next.then {
                case .type(let text): try? master.write(contentsOf: Data(text.utf8))
                case .interrupt: kill(process.processIdentifier, SIGINT)
                }
            }
        }

        /// The controlling side of a new terminal, and the name of the other.
        private static func open() throws -> (master: Int32, name: String) {
            let master = Glibc.open("/dev/ptmx", O_RDWR | O_NOCTTY)
            // TIOCSPTLCK and TIOCGPTN, what unlockpt and ptsname do: Glibc's module has neither.
            var locked: Int32 = 0
            var number: UInt32 = 0
            try #require(
                master >= 0 && ioctl(master, 0x4004_5431, &locked) == 0 && ioctl(master, 0x8004_5430, &number) == 0)
            return (master, "/dev/pts/\(number)")
        }
    }

#endif
