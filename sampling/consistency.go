package sampling

// Consistency draws with a consistency model (Song et al. 2023, arXiv 2303.01469, algorithm 1). Its denoised estimate
//
//	D(x, σ) = x + σ²·s(x, σ)
//
// is not the mean of the data at x, but the place where the probability flow through x ends. So each step ends at data,
// and from there new noise of the next sigma σ' gives a state at σ':
//
//	x' = D(x, σ) + σ'·z
//
// The last step adds no noise. If D is exact, the samples have the distribution of the data after every step, and
// further steps only repair errors. The paper's map ends at a smallest sigma ε, from where √(σ'² - ε²) is missing to
// σ'. Here it ends at the data, as in Geng et al. (2024), so ε is 0.
type Consistency struct {
	Schedule Schedule // one evaluation for each sigma
}

// Prior returns the distribution of the initial states. c must be valid.
func (c Consistency) Prior() Prior { return Prior{Kind: PriorNormal, Std: c.Schedule.Sigma(0)} }

// Plan compiles c. The error names the field that is out of range.
func (c Consistency) Plan() (Plan, error) {
	levels := c.Schedule.Levels()
	if levels < 1 {
		return nil, &FieldError{Field: "sigmas", Given: levels, Want: "at least one"}
	}
	plan := make(Plan, levels)
	for i := range plan {
		sigma := c.Schedule.Sigma(i)
		plan[i] = Step{Sigma: float32(sigma), X: 1, A: float32(sigma * sigma), Level: int32(i)}
		if i+1 < levels {
			plan[i].C = float32(c.Schedule.Sigma(i + 1))
		}
	}
	return plan, plan.Validate()
}
