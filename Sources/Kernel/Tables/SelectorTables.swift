import KernelABI
package import Workloads

/// A selector program as the kernel part's maps want it. Pure; what cannot be expressed is refused here.
///
/// All values of a field that no selector tells apart are one class. Its row holds the selectors that such a value
/// satisfies; see bpf/abi/selector.h.
package struct SelectorTables {
    struct Number: Hashable {
        let field: UInt32
        let value: UInt32
    }

    struct Text: Hashable {
        let field: UInt32
        /// Ends with NUL where the text is complete.
        let bytes: [UInt8]
    }

    private(set) var header = policy()
    private(set) var numbers: [Number: UInt32] = [:]
    private(set) var texts: [Text: UInt32] = [:]
    /// By class.
    private(set) var rows: [UInt32: SelectorRow] = [:]
    /// In order of precedence.
    private(set) var slots: [selector_slot] = []
    /// Of all slots but those that wait for user space.
    private(set) var decidedByKernel = SelectorRow()
    /// The first that no value of this program has.
    private(set) var nextClass = UInt32(CLASS_FIRST)
    private var known: [SelectorRow: UInt32] = [:]

    package init(_ program: SelectorProgram, handles: [WorkloadName: IdentityHandle]) throws(KernelError) {
        guard program.slots.count <= Int(SELECTOR_SLOTS) else {
            throw .tooManySelectors(count: program.slots.count, maximum: Int(SELECTOR_SLOTS))
        }
        let indexes = program.argumentIndexes
        guard indexes.count <= Int(SELECTOR_ARGUMENTS) else {
            throw .tooManyArgumentIndexes(indexes, maximum: Int(SELECTOR_ARGUMENTS))
        }
        for (slot, entry) in program.slots.enumerated() { try add(entry, at: slot, handles) }
        header.used_words = UInt32((slots.count + 63) / 64)
        let naming = program.slots.indices.filter { program.slots[$0].selector.namesBinary }
        if !naming.isEmpty { rows[UInt32(CLASS_HIDING)] = SelectorRow(naming) }
        setArgumentIndexes(indexes)
        for key in Set(program.slots.flatMap { $0.selector.conditions.keys }) where key.isDecidedByKernel {
            try add(key, of: program, argumentIndexes: indexes)
        }
        addInterpreters(of: program)
    }

    /// So that what runs no script for certain waits for nobody.
    private mutating func addInterpreters(of program: SelectorProgram) {
        let field = FIELD_PROGRAM.rawValue
        let indifferent = slots.indices.filter { !program.slots[$0].selector.wantsScript }
        guard indifferent.count < slots.count else { return }
        header.fields |= 1 << field
        rows[field] = SelectorRow(indifferent)
        rows[field + Self.unknown] = SelectorRow(slots.indices)
        for name in Interpreter.names {
            guard let bytes = name.textBytes else { continue }
            texts[Text(field: field, bytes: bytes)] = field + Self.unknown
        }
    }

    private mutating func add(
        _ entry: SelectorProgram.Slot, at slot: Int, _ handles: [WorkloadName: IdentityHandle],
    ) throws(KernelError) {
        guard let handle = handles[entry.workloadID], handle != .none else {
            throw .noHandle(workloadID: entry.workloadID.text)
        }
        let waits = entry.selector.needsUserSpace
        slots.append(selector_slot(identity: handle.rawValue, flags: waits ? UInt32(SLOT_NEEDS_USER_SPACE) : 0))
        if waits {
            header.fields |= 1 << FIELD_USER_SPACE.rawValue
        } else {
            decidedByKernel.insert(slot)
        }
    }

    private mutating func setArgumentIndexes(_ indexes: [Int]) {
        header.argument_count = UInt32(indexes.count)
        withUnsafeMutableBytes(of: &header.argument_index) { bytes in
            bytes.withMemoryRebound(to: UInt32.self) { words in
                for (place, index) in indexes.enumerated() { words[place] = UInt32(index) }
            }
        }
    }

    private mutating func add(
        _ key: SelectorKey, of program: SelectorProgram, argumentIndexes: [Int],
    ) throws(KernelError) {
        guard let field = key.field(argumentIndexes: argumentIndexes) else { return }
        let values = try FieldValues(key, in: program)
        header.fields |= 1 << field
        rows[field] = values.unnamed
        rows[field + Self.unknown] = values.open
        if key == .additionalGroupID {
            for (value, patterns) in values.numbers { addGroup(value, patterns, of: values) }
            return
        }
        for (value, patterns) in values.numbers {
            numbers[Number(field: field, value: value)] = number(of: [patterns], in: values)
        }
        for (bytes, patterns) in values.textsWithPrefixes {
            texts[Text(field: field, bytes: bytes)] = number(of: patterns, in: values)
        }
    }

    /// Two classes one after the other: see bpf/abi/selector.h.
    private mutating func addGroup(_ group: UInt32, _ patterns: FieldValues.Patterns, of values: FieldValues) {
        var allowed = SelectorRow(slots.indices)
        for slot in patterns.excluded { allowed.remove(slot) }
        var wanted = values.unnamed
        for slot in patterns.wanted { wanted.insert(slot) }
        numbers[Number(field: FIELD_GROUPS.rawValue, value: group)] = nextClass
        rows[nextClass] = wanted
        rows[nextClass + 1] = allowed
        nextClass += 2
    }

    /// One class for all values that satisfy the same slots.
    private mutating func number(of patterns: [FieldValues.Patterns], in values: FieldValues) -> UInt32 {
        if let (first, second) = values.slots(beside: patterns) {
            return CLASS_OF_SLOTS | UInt32(first) | UInt32(second) << UInt32(SLOT_BITS)
        }
        let row = values.row(for: patterns)
        if let number = known[row] { return number }
        known[row] = nextClass
        rows[nextClass] = row
        nextClass += 1
        return nextClass - 1
    }

    /// CLASS_UNKNOWN(field), and CLASS_MAY_RUN_SCRIPT of FIELD_PROGRAM, is that much above the field.
    private static let unknown: UInt32 = 32
}

extension Pattern {
    /// Ends with NUL where the text is complete; nil for what is no text.
    fileprivate var textBytes: [UInt8]? {
        switch self {
        case .text(let text): text.namedBytes + [0]
        case .prefix(let text): text.namedBytes
        case .number, .words: nil
        }
    }
}

extension SelectorKey {
    /// enum selector_field; nil for what user space decides.
    fileprivate func field(argumentIndexes: [Int]) -> UInt32? {
        switch self {
        case .userID: FIELD_EUID.rawValue
        case .realUserID: FIELD_UID.rawValue
        case .groupID: FIELD_EGID.rawValue
        case .realGroupID: FIELD_GID.rawValue
        case .additionalGroupID: FIELD_GROUPS.rawValue
        case .name: FIELD_NAME.rawValue
        case .commandLine: FIELD_CMDLINE.rawValue
        case .binaryPath: FIELD_PATH.rawValue
        case .argument(let index): argumentIndexes.firstIndex(of: index).map { FIELD_ARGUMENT.rawValue + UInt32($0) }
        case .cgroup: FIELD_CGROUP.rawValue
        case .systemdUnit: FIELD_UNIT.rawValue
        case .host: FIELD_HOST.rawValue
        case .binaryHash, .scriptPath, .scriptHash, .parent, .ancestor: nil
        }
    }
}
