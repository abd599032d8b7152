import Glibc
import Testing

extension Trait where Self == ConditionTrait {
    /// Of tests that make files of other users, or look at files by the rights of processes. By its text `scripts/test`
    /// knows those that are left out for it.
    static var asRoot: Self { .enabled(if: geteuid() == 0, "needs root") }
}
