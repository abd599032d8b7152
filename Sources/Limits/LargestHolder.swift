/// How much each of many holds, and who holds most. A change takes O(log n), amortized.
package struct LargestHolder<Holder: Hashable & Sendable>: Sendable {
    private struct Entry {
        let amount: Int
        let holder: Holder
    }

    private var amounts: [Holder: Int] = [:]
    /// The greatest is first, and each one is no less than the two at twice its place. Of each holder there is an entry of at least
    /// what it holds: one that is too great is set right when it comes up.
    private var heap: [Entry] = []

    package init() {}

    /// Of those that hold anything.
    package var count: Int { amounts.count }

    package subscript(holder: Holder) -> Int { amounts[holder] ?? 0 }

    package mutating func add(_ amount: Int, to holder: Holder) {
        let now = self[holder] + amount
        amounts[holder] = now > 0 ? now : nil
        guard amount > 0 else { return }
        push(Entry(amount: now, holder: holder))
        guard heap.count > 64, heap.count > 4 * amounts.count else { return }
        heap = amounts.map { Entry(amount: $0.value, holder: $0.key) }.sorted { $0.amount > $1.amount }
    }

    /// nil: nobody holds anything.
    package mutating func largest() -> (holder: Holder, amount: Int)? {
        while let top = heap.first {
            let amount = self[top.holder]
            if amount == top.amount { return (top.holder, amount) }
            pop()
            if amount > 0 { push(Entry(amount: amount, holder: top.holder)) }
        }
        return nil
    }

    private mutating func push(_ entry: Entry) {
        heap.append(entry)
        var place = heap.count - 1
        while place > 0, heap[(place - 1) / 2].amount < heap[place].amount {
            heap.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private mutating func pop() {
        guard let last = heap.popLast(), !heap.isEmpty else { return }
        heap[0] = last
        var place = 0
        while let child = (2 * place + 1...2 * place + 2).filter(heap.indices.contains).max(by: {
            heap[$0].amount < heap[$1].amount
        }), heap[child].amount > heap[place].amount {
            heap.swapAt(place, child)
            place = child
        }
    }
}
