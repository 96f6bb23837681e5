// What the dialect says in PTX for the card (see dialect.h, which includes this), in C++.
#pragma once

// MARK: Numbers

APUS_DEVICE bf16 apus_to_bf16(float value) {
    u32 bits = __float_as_uint(value);
    if ((bits & 0x7fffffff) > 0x7f800000) return bf16{0x7fff};
    return bf16{(u16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

APUS_DEVICE u32 apus_to_pair(float first, float second) {
    return (u32)apus_to_bf16(first).bits | (u32)apus_to_bf16(second).bits << 16;
}

APUS_DEVICE float apus_exp2(float x) {
    float result = exp2f(x);
    return result < 1.17549435e-38f ? 0.0f : result;
}

APUS_DEVICE void apus_recompute(int &) {}

// MARK: Tensor cores

namespace emulation {

struct Operands {
    u32 a[4], b[2];
};

/// The product of a whole warp, by the last lane to arrive.
static inline void multiplyMatrices(Warp &warp, unsigned generation) {
    typedef float Row __attribute__((vector_size(32)));
    alignas(32) float a[16][16], b[16][8];
    for (unsigned lane = 0; lane < 32; lane++) {
        Operands operands;
        memcpy(&operands, warp.slots[lane].bytes[generation], sizeof operands);
        unsigned row = lane / 4, column = lane % 4 * 2;
        for (unsigned half = 0; half < 2; half++) {
            a[row][column + 8 * half] = apus_first(operands.a[2 * half]);
            a[row][column + 8 * half + 1] = apus_second(operands.a[2 * half]);
            a[row + 8][column + 8 * half] = apus_first(operands.a[2 * half + 1]);
            a[row + 8][column + 8 * half + 1] = apus_second(operands.a[2 * half + 1]);
            b[column + 8 * half][row] = apus_first(operands.b[half]);
            b[column + 8 * half + 1][row] = apus_second(operands.b[half]);
        }
    }
    for (unsigned row = 0; row < 16; row++) {
        Row sums[2] = {};
        for (unsigned k = 0; k < 16; k += 2) {
            sums[0] += a[row][k] * *(const Row *)b[k];
            sums[1] += a[row][k + 1] * *(const Row *)b[k + 1];
        }
        Row sum = sums[0] + sums[1];
        for (unsigned column = 0; column < 8; column++) {
            warp.products[generation][row % 8 * 4 + column / 2][row / 8 * 2 + column % 2] = sum[column];
        }
    }
    machine->statistics.matrixProducts++;
}

/// Counts how often rows of a matrix, which the lanes name, lie in the same banks of shared memory.
static inline void countBankConflicts(Warp &warp, unsigned generation) {
    for (unsigned matrix = 0; matrix < 4; matrix++) {
        unsigned counts[8] = {}, largest = 0;
        for (unsigned row = 0; row < 8; row++) {
            u32 address;
            memcpy(&address, warp.slots[matrix * 8 + row].bytes[generation], sizeof address);
            largest = max(largest, ++counts[address / 16 % 8]);
        }
        machine->statistics.bankConflicts += largest - 1;
    }
    machine->statistics.matrixLoads++;
}

static inline unsigned meetWithRow(u32 row, Place place) {
    if (row % 16) fail("a row of a matrix is not on a multiple of 16 bytes");
    return meet<sizeof row>(~0u, &row, Operation::matrixLoad, place, &countBankConflicts);
}

APUS_DEVICE void loadMatrices(u32 (&result)[4], u32 row, Place place) {
    const unsigned generation = meetWithRow(row, place), lane = machine->current->lane;
    for (unsigned m = 0; m < 4; m++) {
        memcpy(&result[m], sharedPointer(shown<u32>(m * 8 + lane / 4, generation), 16) + lane % 4 * 4, 4);
    }
}

APUS_DEVICE void loadMatricesTransposed(u32 (&result)[4], u32 row, Place place) {
    const unsigned generation = meetWithRow(row, place), lane = machine->current->lane;
    for (unsigned m = 0; m < 4; m++) {
        u16 values[2];
        for (unsigned i = 0; i < 2; i++) {
            const u32 address = shown<u32>(m * 8 + lane % 4 * 2 + i, generation);
            memcpy(&values[i], sharedPointer(address, 16) + lane / 4 * 2, 2);
        }
        result[m] = (u32)values[0] | (u32)values[1] << 16;
    }
}

/// Begins to copy the first `count` bytes of 16; the others are zero.
APUS_DEVICE void beginCopy(u32 destination, const void *source, size_t count) {
    if ((destination | (uintptr_t)source) % 16) fail("an asynchronous copy is not on a multiple of 16 bytes");
    AsynchronousCopy copy{sharedPointer(destination, 16), {}, machine->current->copyGroup};
    memcpy(copy.data, source, count);
    machine->statistics.copiedBytes += 16;
    memset(copy.destination, 0xFF, 16);
    machine->current->copies.push_back(copy);
}

/// Completes all groups of the thread but the newest.
APUS_DEVICE void completeCopies(int kept) {
    Thread &thread = *machine->current;
    size_t remaining = 0;
    for (AsynchronousCopy &copy : thread.copies) {
        if (copy.group < thread.copyGroup - kept) {
            memcpy(copy.destination, copy.data, 16);
        } else {
            thread.copies[remaining++] = copy;
        }
    }
    thread.copies.resize(remaining);
}

static inline void addProduct(float (&d)[4], const Operands &operands, Place place) {
    unsigned generation =
        meet<sizeof operands>(~0u, &operands, Operation::matrixProduct, place, &multiplyMatrices);
    const float *product = machine->currentWarp().products[generation][machine->current->lane];
    for (int i = 0; i < 4; i++) d[i] += product[i];
}

}  // namespace emulation

static inline void apus_mma(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    emulation::addProduct(d, {{a[0], a[1], a[2], a[3]}, {b0, b1}}, EMULATION_PLACE);
}

APUS_DEVICE u32 apus_shared_address(const void *pointer) { return emulation::sharedAddress(pointer); }
#define apus_ldmatrix(result, row) emulation::loadMatrices(result, row, EMULATION_PLACE)
#define apus_ldmatrix_transposed(result, row) emulation::loadMatricesTransposed(result, row, EMULATION_PLACE)

// MARK: Copies

APUS_DEVICE void apus_copy_async(u32 destination, const void *source, bool inside) {
    emulation::beginCopy(destination, source, inside ? 16 : 0);
}
APUS_DEVICE void apus_copy_commit() { emulation::machine->current->copyGroup++; }
template <int count> APUS_DEVICE void apus_copy_wait() { emulation::completeCopies(count); }
APUS_DEVICE uint4 apus_load_streaming(const uint4 *source) { return *source; }
