/// Elements in the order they came, each at a place that stays its own while others are taken from either end.
struct PlacedQueue<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    /// Of ``elements``, how many were taken from the front and are still in the array.
    private var head = 0
    /// The place of the array's first one.
    private var offset = 0

    /// Places that are taken, oldest first.
    var range: Range<Int> { offset + head..<offset + elements.count }

    subscript(place: Int) -> Element {
        get { elements[place - offset] }
        set { elements[place - offset] = newValue }
    }

    /// - Returns: its place.
    @discardableResult
    mutating func append(_ element: Element) -> Int {
        elements.append(element)
        return offset + elements.count - 1
    }

    mutating func popFirst() -> Element? {
        guard head < elements.count else { return nil }
        let first = elements[head]
        head += 1
        if head > 16, 2 * head > elements.count {
            elements.removeFirst(head)
            offset += head
            head = 0
        }
        return first
    }

    mutating func popLast() -> Element? { head < elements.count ? elements.removeLast() : nil }

    /// - Parameter isBehind: false for the elements up to some place, and true from there on.
    /// - Returns: that place.
    func partition(_ isBehind: (Element) -> Bool) -> Int {
        var (low, high) = (range.lowerBound, range.upperBound)
        while low < high {
            let middle = (low + high) / 2
            if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
