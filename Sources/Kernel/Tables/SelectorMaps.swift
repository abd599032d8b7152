import CLibBPF
import KernelABI
import Synchronization
import Workloads

/// The policy in the kernel: two banks of selector maps, and the word that says which one counts.
final class SelectorMaps: Sendable {
    /// What is in the kernel of one generation, to be taken out again.
    private struct Written {
        var numbers: [selector_number] = []
        var texts: [selector_text] = []
        var classes: [selector_class] = []
    }

    private struct State {
        var generation: UInt32 = 0
        /// nil: what is in force is a former agent's.
        var written: Written?
        /// Classes of FIELD_USER_SPACE, by the slots that hold.
        var answers: [[Int]: UInt32] = [:]
        var decidedByKernel = SelectorRow()
        var nextClass: UInt32 = 0
    }

    private let numbers: BPFMap<selector_number, UInt32>
    private let texts: BPFMap<selector_text, UInt32>
    private let rows: BPFMap<selector_class, selector_row>
    private let slots: BPFMap<UInt32, selector_slot>
    private let policies: BPFMap<UInt32, policy>
    private let active: BPFMap<UInt32, UInt32>
    private let answers: BPFMap<process_key, user_space_answer>
    private let processes: BPFMap<UInt32, process_facts>
    private let standings: KernelIterator
    private let state = Mutex(State())
    /// Whether answers may be there under a policy that was never in force: of a former agent, or where one was refused half written.
    private let isUntidy = Mutex(true)
    /// Of the policies before the one in force, not taken out yet.
    private let superseded = Mutex<[Written]>([])

    init(of object: borrowing BPFObject) throws(KernelError) {
        numbers = try object.map("number_classes")
        texts = try object.map("text_classes")
        rows = try object.map("selector_rows")
        slots = try object.map("selector_slots")
        policies = try object.map("policies")
        active = try object.map("active_generation")
        answers = try object.map("user_space_answers")
        processes = try object.map("processes")
        standings = try KernelIterator("note_standings", of: object)
    }

    /// Of the policy in force.
    var generation: PolicyGeneration { PolicyGeneration(number: state.withLock { $0.generation }) }

    /// All or nothing: the policy in force is not touched until the new one is complete.
    ///
    /// - Parameter known: what user space knows of processes already; see ``answer(_:holding:generation:)``.
    /// - Returns: the generation in force from now on. ``sweep()`` wants to be called some time later.
    func install(
        _ tables: SelectorTables, known: [ProcessImage: [Int]],
    ) throws(KernelError) -> PolicyGeneration {
        try sweep()
        return try state.withLock { (state) throws(KernelError) -> PolicyGeneration in
            let current = active[0] ?? 0
            if state.written == nil { try sweep(keeping: current) }
            var next = State(
                generation: current >= Self.lastGeneration ? 2 - (current & 1) : current + 1,
                decidedByKernel: tables.decidedByKernel, nextClass: tables.nextClass,
            )
            try tidy(generation: next.generation)
            var written = Written()
            do throws(KernelError) {
                try write(tables, generation: next.generation, noting: &written)
                for (image, slots) in known { try write(slots, of: image, &next, noting: &written) }
                // As late as can be. No answer comes in between: they wait for the state. Twice: a child may be looked at before its
                // parent.
                try standings.run()
                try standings.run()
                try active.set(next.generation, for: 0)
            } catch {
                // What was in force stays in force; half a policy does not stay behind.
                isUntidy.withLock { $0 = true }
                try? remove(written)
                throw error
            }
            let former = state.written ?? entries { $0 == current }
            superseded.withLock { $0.append(former) }
            next.written = written
            state = next
            return PolicyGeneration(number: next.generation)
        }
    }

    /// A number of a policy is given again where that was never in force: nothing was answered for it before it is.
    private func tidy(generation: UInt32) throws(KernelError) {
        guard isUntidy.withLock({ $0 }) else { return }
        for image in answers.keys {
            guard var answer = answers[image], answer.isOf(generation) else { continue }
            if generation & 1 == 0 { answer.classes.0 = 0 } else { answer.classes.1 = 0 }
            try answers.set(answer, for: image)
        }
        isUntidy.withLock { $0 = false }
    }

    /// Takes policies out of the kernel that are no longer in force. Not part of ``install(_:known:)``, as it has to wait
    /// for whoever still decides by one of them, some ten milliseconds.
    func sweep() throws(KernelError) {
        let old = superseded.withLock { superseded in
            defer { superseded = [] }
            return superseded
        }
        guard !old.isEmpty else { return }
        _ = membarrier_global()
        for written in old { try remove(written) }
    }

    /// What user space found out of one image of a process.
    ///
    /// - Parameter holding: slots that need user space, and of which all holds that only it can know.
    /// - Returns: false where another policy is in force by now; ask again.
    func answer(
        _ image: ProcessImage, holding slots: [Int], generation: PolicyGeneration,
    ) throws(KernelError) -> Bool {
        try state.withLock { (state) throws(KernelError) -> Bool in
            guard state.generation == generation.number, var written = state.written else { return false }
            state.written = nil
            defer { state.written = written }
            try write(slots, of: image, &state, noting: &written)
            return true
        }
    }

    /// Whether user space has answered for this image under the policy in force.
    func isAnswered(_ image: ProcessImage) -> Bool {
        let generation = generation.number
        return answers[image.abi]?.isOf(generation) ?? false
    }

    func forget(_ image: ProcessImage) throws(KernelError) { try answers.remove(image.abi) }

    /// 24 bits; see SELECTOR_TAG.
    private static let lastGeneration: UInt32 = 0xff_fffe

    private func write(
        _ holding: [Int], of image: ProcessImage, _ state: inout State, noting written: inout Written,
    ) throws(KernelError) {
        let known = state.answers[holding]
        let number = known ?? state.nextClass
        if known == nil {
            var row = state.decidedByKernel
            for slot in holding { row.insert(slot) }
            let key = selector_class(generation: state.generation, number: number)
            try rows.set(row.abi, for: key)
            written.classes.append(key)
            state.answers[holding] = number
            state.nextClass += 1
        }
        var answer = answers[image.abi] ?? user_space_answer()
        let word = UInt64(state.generation) << UInt64(CLASS_GENERATION_SHIFT) | UInt64(number)
        if state.generation & 1 == 0 { answer.classes.0 = word } else { answer.classes.1 = word }
        try answers.set(answer, for: image.abi)
        // Whoever ended or executed meanwhile took only away what was there by then; see exec.bpf.c.
        if !isCurrent(image) { try answers.remove(image.abi) }
    }

    private func isCurrent(_ image: ProcessImage) -> Bool {
        guard let record = processes[UInt32(bitPattern: image.process.pid)] else { return false }
        return ProcessKey(record.key) == image.process && record.image == image.number
    }

    private func write(
        _ tables: SelectorTables, generation: UInt32, noting written: inout Written,
    ) throws(KernelError) {
        let bank = generation & 1
        let rows = tables.rows.map { (selector_class(generation: generation, number: $0), $1.abi) }
        let numbers = tables.numbers.map { (selector_number(tag: generation << 8 | $0.field, value: $0.value), $1) }
        let texts = tables.texts.map { (selector_text(tag: generation << 8 | $0.field, bytes: $0.bytes), $1) }
        // First, as a refusal leaves some of them behind.
        written = Written(numbers: numbers.map(\.0), texts: texts.map(\.0), classes: rows.map(\.0))
        try self.rows.set(rows)
        try self.numbers.set(numbers)
        try self.texts.set(texts)
        try slots.set(tables.slots.enumerated().map { (bank * UInt32(SELECTOR_SLOTS) + UInt32($0), $1) })
        try policies.set(tables.header, for: bank)
    }

    private func remove(_ written: Written) throws(KernelError) {
        try numbers.remove(written.numbers)
        try texts.remove(written.texts)
        try rows.remove(written.classes)
    }

    /// What an agent before this one left behind of policies no longer in force, or never.
    private func sweep(keeping generation: UInt32) throws(KernelError) {
        try remove(entries { $0 != generation })
    }

    private func entries(where isWanted: (UInt32) -> Bool) -> Written {
        Written(
            numbers: numbers.keys.filter { isWanted($0.tag >> 8) },
            texts: texts.keys.filter { isWanted($0.tag >> 8) },
            classes: rows.keys.filter { isWanted($0.generation) },
        )
    }
}

/// One policy in the kernel: what is answered for it means nothing under another.
package struct PolicyGeneration: Hashable, Sendable {
    package let number: UInt32
}

extension user_space_answer {
    /// Whether user space has answered under this policy.
    fileprivate func isOf(_ generation: UInt32) -> Bool {
        (generation & 1 == 0 ? classes.0 : classes.1) >> UInt64(CLASS_GENERATION_SHIFT) == UInt64(generation)
    }
}

extension selector_text {
    /// - Parameter bytes: at most 252.
    init(tag: UInt32, bytes: [UInt8]) {
        self.init()
        self.tag = tag
        prefix_bits = UInt32(8 * (MemoryLayout<UInt32>.size + bytes.count))
        withUnsafeMutableBytes(of: &text) { $0.copyBytes(from: bytes.prefix($0.count)) }
    }
}
