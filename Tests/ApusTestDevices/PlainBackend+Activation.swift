public import ApusTensor
internal import Foundation

extension PlainBackend {
    /// See `Backend`.
    public func gate(_ activation: GateActivation, _ gate: Matrix, _ up: Matrix, into h: Matrix) {
        let (gate, up, h) = (own(gate), own(up), own(h))
        for other in [up, h] { other.requireShape(of: gate) }
        h.requireApart(gate, up)
        enqueue {
            let (count, gate, up, h) = (h.count, gate.base, up.base, h.base)
            for i in 0..<count { h[i] = Float(activation.at(Double(gate[i])).value) * up[i] }
        }
    }

    /// See `Backend`.
    public func gateBackward(_ activation: GateActivation, gate: Matrix, up: Matrix, dh: Matrix) {
        let (gate, up, dh) = (own(gate), own(up), own(dh))
        for other in [up, dh] { other.requireShape(of: gate) }
        gate.requireApart(up, dh)
        up.requireApart(dh)
        enqueue {
            let (count, gate, up, dh) = (dh.count, gate.base, up.base, dh.base)
            for i in 0..<count {
                let (value, slope) = activation.at(Double(gate[i]))
                gate[i] = Float(slope) * up[i] * dh[i]
                up[i] = Float(value) * dh[i]
            }
        }
    }

    /// See `Backend`.
    public func rope(_ x: Matrix, headSize: Int, table: RotaryTable, _ pass: Pass, inverse: Bool) {
        let (x, table, pass) = (own(x), own(table, as: PlainRotaryTable.self), own(pass, as: PlainPass.self))
        x.requireShape(pass.rows, x.columns)
        precondition(x.columns % headSize == 0 && table.dimensions <= headSize, "the table goes beyond a head")
        precondition(pass.maxContext <= table.positions, "the table has fewer positions")
        let (positions, half) = (pass.batch.positions, table.dimensions / 2)
        enqueue {
            for row in 0..<x.rows {
                let first = Int(positions[row]) * half
                for head in stride(from: 0, to: x.columns, by: headSize) {
                    let (low, high) = (x.row(row) + head, x.row(row) + head + half)
                    for i in 0..<half {
                        let cosine = table.cosines[first + i]
                        let sine = inverse ? -table.sines[first + i] : table.sines[first + i]
                        (low[i], high[i]) = (low[i] * cosine - high[i] * sine, high[i] * cosine + low[i] * sine)
                    }
                }
            }
        }
    }
}

extension GateActivation {
    /// The function and its derivative: x σ(s) with s = x, or with s = 2 √(2/π) (x + 0.044715 x³), as (1 + tanh u) / 2 = σ(2 u).
    fileprivate func at(_ x: Double) -> (value: Double, slope: Double) {
        let factor = 2 * (2 / Double.pi).squareRoot()
        let (s, slope) =
            switch self {
            case .silu: (x, 1.0)
            case .geluTanh: (factor * (x + 0.044715 * x * x * x), factor * (1 + 3 * 0.044715 * x * x))
            }
        let share = 1 / (1 + exp(-s))
        return (x * share, share + x * share * (1 - share) * slope)
    }
}
