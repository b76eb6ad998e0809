"""The gradient checker: does an analytic derivative agree with the function itself?

Move one number x_i a little to both sides and see how the result y moves: (y(x + h) - y(x - h)) / 2h is the numeric
derivative, a central difference. It uses no rule of calculus, so it is independent of the analytic one.

1. Everything is computed in float64. y has many elements, so both derivatives are weighted with a random cotangent v:
   the analytic one is the vector-Jacobian product `grad(y, x, v)`, the numeric one (v.y(x + h) - v.y(x - h)) / 2h. The
   cotangent is never all ones: a softmax sums to 1, so with ones every multiple of its gradient would pass.
2. A large h has a truncation error, a small h a rounding error. So several h are tried, and their disagreement
   estimates the error of the numeric derivative. That estimate is the tolerance.
3. At a kink (relu at 0) there is no derivative: the slopes on the left and right differ at every h. That is reported.
4. A check that cannot fail proves nothing. So errors are planted in the analytic gradient (times 1.01, sign turned,
   zero, elements shifted or transposed, one of them changed), and each has to be rejected (mutation testing); where all
   derivatives are zero, the check is refused.
5. The gradient is itself a function of x and v. Checked in the same way it gives order 2; and so on.
6. A wrong gradient is repaired in each way that is known to go wrong (another factor, axes exchanged, a sum left out, a
   detached constant). The repair that would have passed is the explanation.

Imports: autograd, random. Read next: ``numeric.py``, ``checked_function.py``, ``comparison.py``, ``check.py``, then
``diagnosis/__init__.py``.
"""

from minigen.gradcheck.check import gradcheck
from minigen.gradcheck.report import Explanation, GradientMismatch, Mutation, Report, Row, Verdict

__all__ = ["Explanation", "GradientMismatch", "Mutation", "Report", "Row", "Verdict", "gradcheck"]
